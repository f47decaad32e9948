#!/usr/bin/env bash
# Put ONNX Runtime's C++ headers into a folder: those of Debian 13, where the package is to be had.
#
#     tools/onnxruntime_headers.sh FOLDER
#
# Nothing is installed. apt reads the sources of this machine with the release's name changed.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
[ -f "$folder/onnxruntime_cxx_api.h" ] && exit
. /etc/os-release
[ -n "${VERSION_CODENAME:-}" ] && command -v apt-get >/dev/null || {
  echo "$0: this is no Debian. Unpack ONNX Runtime's headers to $folder by hand." >&2
  exit 1
}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir -p "$place/sources" "$place/lists/partial" "$place/cache/archives/partial"
sed "s/$VERSION_CODENAME/trixie/g" /etc/apt/sources.list.d/debian.sources >"$place/sources/debian.sources"
options=(-qq -o Acquire::Retries=0 -o Acquire::http::Timeout=15
  -o "Dir::State::Lists=$place/lists" -o "Dir::Cache=$place/cache"
  -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$place/sources" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd "$place" && apt-get "${options[@]}" download libonnxruntime-dev && dpkg-deb -x libonnxruntime-dev_*.deb .)
cp "$place"/usr/include/onnxruntime/*.h "$folder"
