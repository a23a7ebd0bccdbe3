#!/bin/sh
# The main job: from a workspace to a limit, with tables and plots in demo-output/.
#   sh examples/demo.sh path/to/neyman
set -eu
neyman=${1:-neyman}
examples=$(dirname "$0")
out=demo-output
mkdir -p "$out"

job() {
    echo
    echo "\$ neyman $*"
    "$neyman" "$@"
}

displaced=$examples/displaced-leptons.json
job show "$displaced"
job fit "$displaced" --out "$out/displaced-leptons-fit"
job limit "$displaced" --out "$out/displaced-leptons-limit"

published=$examples/../../shared/data/histfactory/atlas_susy_2018_31_A.json.gz
if [ -f "$published" ]; then
    job fit "$published" --out "$out/atlas-susy-2018-31-A-fit" | head -n 20
    job limit "$published" --out "$out/atlas-susy-2018-31-A-limit"
else
    echo "(../shared/data/histfactory is absent: the published ATLAS likelihood is left out)"
fi

echo
echo "Tables and plots:"
find "$out" -type f | sort
