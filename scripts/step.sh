# Sourced by scripts/check.sh and .ci/run: steps that are timed and have a time limit.
times=${times:-}

# step SECONDS NAME COMMAND...: runs a command with a time limit; the first that fails ends the run.
step() {
  local budget=$1 name=$2 start=$SECONDS
  shift 2
  echo "=== $name (at most $budget s)"
  timeout --kill-after=10 "$budget" "$@" </dev/null
  local code=$?
  times+=$(printf '%6d s of %4d  %s' $((SECONDS - start)) "$budget" "$name")$'\n'
  if [ $code != 0 ]; then
    [ $code = 124 ] && echo "=== $name ran over its budget"
    printf '%s' "$times"
    echo "=== failed: $name (exit $code)"
    exit 1
  fi
}

# summary: prints how long each step took.
summary() {
  printf '%s' "$times"
  echo "=== all passed in $SECONDS s"
}
