#!/bin/sh
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# room.sh FOLDER NAMES: gives the processes that it starts files of their own in /etc, /run and /var/lib, which no other process of the machine
# sees. NAMES is the folder with the names of other hosts. Some files are there before the role runs. containerd and Docker run in the room,
# with the configuration of the system.
set -eu
folder=$1 names=$2
mkdir -p "$folder/disk"
cp "$names/hosts" "$names/resolv.conf" "$folder"
mount -t tmpfs tmpfs "$folder/disk"
for name in etc var/lib; do
  mkdir -p "$folder/disk/$name/upper" "$folder/disk/$name/work"
  mount -t overlay overlay -o "lowerdir=/$name,upperdir=$folder/disk/$name/upper,workdir=$folder/disk/$name/work" "/$name"
done
for name in hosts resolv.conf; do
  rm -f "/etc/$name"
  cp "$folder/$name" /etc
done
mount -t tmpfs tmpfs /run
# Engines can't have their storage on an overlay.
for name in containerd docker containers; do
  mkdir -p "/var/lib/$name"
  mount -t tmpfs tmpfs "/var/lib/$name"
done

rm -rf /etc/containerd/certs.d /etc/containers/certs.d /etc/docker /var/lib/longshore
mkdir -p /etc/docker /etc/containerd/certs.d/foreign.example "$folder/home/.docker"
cat >/etc/docker/daemon.json <<'JSON'
{
  "log-driver": "none",
  "registry-mirrors": [
    "https://foreign.example"
  ]
}
JSON
echo 'server = "https://foreign.example"' >/etc/containerd/certs.d/foreign.example/hosts.toml
cat >"$folder/home/.docker/config.json" <<'JSON'
{
  "auths": {
    "foreign.example": {
      "auth": "YTpi"
    }
  }
}
JSON
chmod 600 "$folder/home/.docker/config.json"
cd /
find etc "${folder#/}/home" -type f ! -path 'etc/containerd/config.toml' -exec sha256sum {} + | sort >"$folder/files"

containerd >"$folder/containerd.log" 2>&1 &
dockerd --containerd /run/containerd/containerd.sock --iptables=false --ip6tables=false --bridge=none >"$folder/docker.log" 2>&1 &
wait
