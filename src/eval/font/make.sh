#!/usr/bin/env bash
# Makes the two fonts beside this file: DejaVu Sans 2.37 (Debian's fonts-dejavu-core) cut down to
# Latin, Greek, Cyrillic and a few marks, without hinting and layout tables, which ab_glyph does not
# read. Needs fonttools: python3 -m venv v && v/bin/pip install fonttools && PATH=v/bin:$PATH ./make.sh
set -euo pipefail
cd "$(dirname "$0")"
source=${1:-/usr/share/fonts/truetype/dejavu}
marks=U+2010-2015,U+2018-201D,U+2022,U+2026,U+20AC,U+2190-2193,U+2212,U+2248,U+2264,U+2265,U+2713,U+2717,U+FFFD
cut() {
  pyftsubset "$source/$1.ttf" --output-file="$1.ttf" --unicodes="$2,$marks" \
    --no-hinting --layout-features= --drop-tables+=FFTM,GPOS,GSUB,GDEF,kern --notdef-outline
}
cut DejaVuSans U+0020-007E,U+00A0-017F,U+0370-03FF,U+0400-045F
cut DejaVuSans-Bold U+0020-007E,U+00A0-00FF
