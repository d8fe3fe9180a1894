#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The bounded run of both fuzzers, and the proof that they see what they look for: each bug of mutants.txt, planted into a copy of the sources,
# must be found. Prints the closing line of the native tests. Needs clang.
#   fuzz.sh                the bounded run
#   fuzz.sh grow SECONDS   looks for new inputs and minimises the corpus; keeps what found planted bugs in the last bounded run
#   fuzz.sh keep           the latter only
set -eu
cd "$(dirname "$0")/.."
CLANG=${CLANG:-clang}
OUT=$(pwd)/build/fuzz
RUNS=${FUZZ_RUNS:-10000}
FLAGS="-std=gnu11 -Wall -Wextra -Werror -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DHOST_PAGES=128"
COVERED="-ffreestanding -fsanitize-coverage=inline-8bit-counters,pc-table"
passed=0
failed=0

# result STATUS SENTENCE
result() {
	if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "  ok     $2"; else failed=$((failed + 1)); echo "  FAILED $2"; fi
}

# covered SOURCES OUT: table and simulator, whose coverage leads the fuzzer
covered() {
	mkdir -p "$2"
	for file in "$1"/table/*.c "$1"/simulator/*.c; do
		compile_covered "$file" "$2"
	done
}

compile_covered() {
	# shellcheck disable=SC2086
	$CLANG $FLAGS $COVERED -c "$1" -o "$2/$(basename "$(dirname "$1")")-$(basename "$1" .c).o"
}

# The harness itself is not covered: its loops would drown what is of interest.
harness() {
	mkdir -p "$OUT/harness"
	for file in test/host.c test/host-calls.c fuzz/*.c; do
		# shellcheck disable=SC2086
		$CLANG $FLAGS -c "$file" -o "$OUT/harness/$(basename "$file" .c).o"
	done
}

# link NAME OBJECTS OUT
link() {
	# shellcheck disable=SC2086
	$CLANG $FLAGS -fsanitize=fuzzer "$2"/*.o "$OUT"/harness/sets.o "$OUT"/harness/world.o "$OUT"/harness/calls.o "$OUT"/harness/events.o \
		"$OUT"/harness/invariants.o "$OUT"/harness/host.o "$OUT"/harness/host-calls.o "$OUT/harness/fuzz_$1.o" -o "$3"
}

# The simulator alone is ten times as fast as the whole.
runs() {
	if [ "$1" = module ]; then echo $((RUNS * 6)); else echo "$RUNS"; fi
}

# Each run writes new inputs to a folder of its own: the committed corpus stays as it is.
run_target() {
	rm -rf "$OUT/$1-new"
	mkdir -p "$OUT/$1-new"
	status=0
	timeout 180 "$OUT/$1" -seed=1 -runs="$(runs "$1")" -max_len=256 -timeout=10 -artifact_prefix="$OUT/$1-" "$OUT/$1-new" "fuzz/corpus/$1" \
		>"$OUT/$1.log" 2>&1 || status=$?
	[ $status = 0 ] || { grep -E 'INVARIANT|ERROR|SUMMARY|Base64|runtime error' "$OUT/$1.log" || tail -20 "$OUT/$1.log"; }
	result $status "$2: $(grep -c . "$OUT/$1.log" >/dev/null && sed -n 's/^Done \([0-9]* runs in [0-9]* second(s)\)/\1/p' "$OUT/$1.log"), no invariant broken"
}

# A mutant counts as found when a run breaks an invariant or a sanitizer's rule; one that does not compile is an error.
run_mutant() {
	name=$1 file=$2 expression=$3 tree=$OUT/mutants/$1
	rm -rf "$tree"
	mkdir -p "$tree/objects" "$tree/new" "$tree/$(dirname "$file")"
	cp table/*.h simulator/*.h "$tree/$(dirname "$file")/" 2>/dev/null
	sed -e "$expression" "$file" >"$tree/$file"
	if cmp -s "$file" "$tree/$file"; then echo "    $name: the expression changes nothing" && return 1; fi
	mkdir -p "$tree/uapi" "$tree/table" "$tree/simulator"
	cp uapi/*.h "$tree/uapi/" && cp table/*.h "$tree/table/" && cp simulator/*.h "$tree/simulator/"
	cp "$OUT"/objects/*.o "$tree/objects/"
	compile_covered "$tree/$file" "$tree/objects" || return 1
	case $file in simulator/*) target=module ;; *) target=table ;; esac
	link "$target" "$tree/objects" "$tree/fuzz"
	found=1
	timeout 120 "$tree/fuzz" -seed=1 -runs="$(runs $target)" -max_len=256 -timeout=10 -artifact_prefix="$tree/" "$tree/new" "fuzz/corpus/$target" >"$tree/log" 2>&1 || found=0
	grep -qE 'INVARIANT|AddressSanitizer|runtime error' "$tree/log" || found=1
	return $found
}

mutants() {
	while IFS='|' read -r name file expression; do
		case $name in '#'* | '') continue ;; esac
		name=$(echo "$name" | tr -d ' ') file=$(echo "$file" | tr -d ' ')
		status=0
		run_mutant "$name" "$file" "$expression" || status=1
		result $status "the planted bug $name is found: $(sed -n 's/^INVARIANT: //p' "$OUT/mutants/$name/log" 2>/dev/null | head -1)"
	done <fuzz/mutants.txt
}

grow() {
	for target in table module; do
		mkdir -p "fuzz/corpus/$target" "$OUT/$target-grown" "$OUT/$target-merged"
		rm -f "$OUT/$target-merged"/*
		"$OUT/$target" -max_total_time="$1" -max_len=128 -timeout=10 -artifact_prefix="$OUT/$target-" "$OUT/$target-grown" "fuzz/corpus/$target" 2>&1 | grep -E '^Done|INVARIANT' || true
		# One input for each edge, not for each count of it: a small folder.
		"$OUT/$target" -merge=1 -use_counters=0 -max_len=128 "$OUT/$target-merged" "$OUT/$target-grown" "fuzz/corpus/$target" 2>&1 | tail -1
		rm -f "fuzz/corpus/$target"/*
		cp "$OUT/$target-merged"/* "fuzz/corpus/$target/"
	done
}

# What found a planted bug once stays, so that it is found again whatever the fuzzer's luck.
keep_findings() {
	while IFS='|' read -r name file _; do
		case $name in '#'* | '') continue ;; esac
		name=$(echo "$name" | tr -d ' ')
		case $file in *simulator/*) target=module ;; *) target=table ;; esac
		for found in "$OUT/mutants/$name"/crash-*; do
			[ ! -e "$found" ] || { cp "$found" "fuzz/corpus/$target/finds-$name" && break; }
		done
	done <fuzz/mutants.txt
}

mkdir -p "$OUT"
harness
covered . "$OUT/objects"
for target in table module; do link "$target" "$OUT/objects" "$OUT/$target"; done
case ${1:-test} in
grow) grow "$2" ;;
esac
case ${1:-test} in
grow | keep) keep_findings; exit 0 ;;
esac
run_target table "the table over the simulator"
run_target module "the simulator called by a wild host"
mutants
echo "$passed passed, $failed failed"
[ $failed = 0 ]
