#!/bin/sh
# Installs the real Slurm that tests/engines starts, from the packages of Debian or Ubuntu; needs root.
set -e
if command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null; then exit 0; fi
command -v apt-get >/dev/null || { echo "No apt-get here: install slurmctld, slurmd and munged." >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "Installing slurm-wlm and munge needs root: apt-get install slurm-wlm munge" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get install -qq -y --no-install-recommends slurm-wlm munge >/dev/null ||
  { apt-get update -qq && apt-get install -qq -y --no-install-recommends slurm-wlm munge >/dev/null; }
