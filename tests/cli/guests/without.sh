# usage: sh without.sh MANIFEST FILE ARGUMENTS...: runs the program with the manifest, then without each of its grants in turn.
# Each of these runs has to fail, with a message that contains the grant's line. RESET is done before each run.
manifest=$1
shift
eval "$RESET"
cay run --manifest "$manifest" "$@" > message 2>&1 || { echo "failed with all grants:"; cat message; }
number=0
grep '^  "' "$manifest" | sed 's/^  //; s/,$//' > lines
while read -r line; do
  number=$((number + 1))
  grep -vF "  $line," "$manifest" > reduced.toml
  eval "$RESET"
  cay run --manifest reduced.toml "$@" > message 2>&1 && echo "passed without $line"
  grep -qF "[$line]" message || { echo "nothing said about $line:"; cat message; }
done < lines
echo "$number grants, each needed"
