# What the scripts that put the peers into place have in common; each sources it from the directory of its own.

say() { printf 'peers: %s\n' "$*"; }

# In CI the end; on a contributor's machine a warning: the tests that need it say so and are skipped.
lacking() {
    say "$*" >&2
    [ -z "${CI:-}" ] || exit 1
    say "the tests that need it are skipped" >&2
}

# cache NAME: the directory for what NAME stands for, locked until the script ends; made is true where it holds all.
cache() {
    root="${XDG_CACHE_HOME:-$HOME/.cache}/kube-registry/peers/$1"
    mkdir -p "$root"
    exec 9>"$root/.lock"
    flock 9
    if [ -e "$root/.built" ]; then made=true; else made=false; fi
}

# key FILE: changes with what it pins.
key() { sha256sum "$1" | cut -c 1-16; }

# Go of the release that go.mod here names, or newer; says what is lacking.
has_go() {
    local wanted found
    wanted=$(sed -n 's/^go //p' go.mod)
    if ! command -v go >/dev/null; then
        lacking "Go is not there: install $wanted or newer and run this again"
        return 1
    fi
    # Not what Go would fetch for this module, but what is installed.
    found=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
    found=${found#go}
    if [ "$(printf '%s\n%s\n' "$wanted" "${found%% *}" | sort -V | head -n 1)" != "$wanted" ]; then
        lacking "Go is too old: $found is there, $wanted or newer is needed"
        return 1
    fi
}

# build NAME WHAT [FLAGS]: the tools of go.mod here; FLAGS are more for the linker.
build() {
    local began=$SECONDS took
    cache "$1"
    if $made; then
        took=$(cat "$root/.built")
        say "$2: built before${took:+ in $took s}: $root/bin"
        return
    fi
    has_go || return 0
    say "$2: building, which takes some minutes"
    if ! go build -trimpath -buildvcs=false -ldflags "-s -w ${3:-}" -o "$root/bin/" tool; then
        lacking "$2 could not be built: look at what Go says above"
        return
    fi
    took=$((SECONDS - began))
    printf '%s' "$took" >"$root/.built"
    say "$2: built in $took s: $root/bin"
}
