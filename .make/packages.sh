# Installs system packages, or says exactly what to install; sourced by the scripts beside it.
# Refuses to use sudo without a yes, unless the caller is root or has set YES=1 or CI=true.

# say TEXT...: one line of progress for the reader.
say() { printf '%s\n' "$*"; }

# fail TEXT...: one line of error, then the end.
fail() {
    printf 'familiar: %s\n' "$*" >&2
    exit 1
}

# pip ARGUMENT...: Python's package tool, without its remarks about being root and about its own age.
pip() {
    PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip "$@"
}

# is_debian: true on Debian, Ubuntu and what is made from them. OS_RELEASE names another file to try the messages below.
is_debian() {
    [ -r "${OS_RELEASE:-/etc/os-release}" ] || return 1
    command -v apt-get >/dev/null 2>&1 || return 1
    # shellcheck disable=SC1090,SC1091
    (. "${OS_RELEASE:-/etc/os-release}" && case " ${ID:-} ${ID_LIKE:-} " in *" debian "* | *" ubuntu "*) true ;; *) false ;; esac)
}

# system_kind: the name of the package manager whose command we can print.
system_kind() {
    if [ "$(uname -s)" = Darwin ]; then echo brew; return; fi
    for kind in dnf pacman zypper apk; do
        if command -v "$kind" >/dev/null 2>&1; then echo "$kind"; return; fi
    done
    echo other
}

# explain_elsewhere PACKAGE...: what to type on a system where we install nothing ourselves.
# The arguments are Debian's names: cmake libclang-dev python3-pip g++.
explain_elsewhere() {
    kind=$(system_kind)
    names=
    for package in "$@"; do
        case "$kind:$package" in
            brew:libclang-dev) name=llvm ;;
            brew:python3-pip) name=python ;;
            brew:g++) name= ; say 'For the C++ compiler:  xcode-select --install' >&2 ;;
            dnf:libclang-dev | zypper:libclang-dev) name=clang-devel ;;
            apk:libclang-dev) name='clang-dev' ;;
            pacman:libclang-dev) name=clang ;;
            dnf:g++ | zypper:g++) name=gcc-c++ ;;
            pacman:g++) name=gcc ;;
            pacman:python3-pip) name=python-pip ;;
            apk:python3-pip) name=py3-pip ;;
            other:libclang-dev) name='libclang (with its headers)' ;;
            other:python3-pip) name='pip for python3' ;;
            other:g++) name='a C++ compiler' ;;
            *) name=$package ;;
        esac
        [ -z "$name" ] && continue
        if [ "$kind" = other ]; then names="${names:+$names, }$name"; else names="${names:+$names }$name"; fi
    done
    [ -z "$names" ] && exit 1
    case "$kind" in
        brew) command="brew install $names" ;;
        dnf) command="sudo dnf install $names" ;;
        pacman) command="sudo pacman -S --needed $names" ;;
        zypper) command="sudo zypper install $names" ;;
        apk) command="sudo apk add $names" ;;
        other) fail "this system is not one we can set up. Install $names, then run make again." ;;
    esac
    say 'Something is missing on this system. Install it, then run make again:' >&2
    say "  $command" >&2
    # The reader's shell is to expand this line, not ours.
    # shellcheck disable=SC2016
    case "$kind $names" in
        brew*llvm*) say '  export LIBCLANG_PATH="$(brew --prefix llvm)/lib"' >&2 ;;
    esac
    exit 1
}

# may_install COMMAND: true when the packages may be installed now; ends the script when they may not.
may_install() {
    if [ "$(id -u)" = 0 ] || [ "${YES:-}" = 1 ] || [ "${CI:-}" = true ]; then return 0; fi
    if [ ! -t 0 ] || [ ! -t 1 ]; then
        say 'Some packages are missing and there is no terminal to ask on. Run this, then make again (or set YES=1):' >&2
        say "  $1" >&2
        exit 1
    fi
    say 'Some packages are missing. This would install them:'
    say "  $1"
    printf 'Run it now? [y/N] '
    read -r answer
    case "$answer" in
        y | Y | yes) return 0 ;;
        *) fail 'nothing was installed. Run the command above yourself, then make again.' ;;
    esac
}

# install_packages PACKAGE...: Debian packages, with consent; instructions on any other system.
install_packages() {
    if ! is_debian; then explain_elsewhere "$@"; fi
    sudo=sudo
    if [ "$(id -u)" = 0 ]; then sudo=; fi
    may_install "${sudo:+sudo }apt-get update && ${sudo:+sudo }apt-get install -y --no-install-recommends $*"
    if [ -n "$sudo" ] && ! command -v sudo >/dev/null 2>&1; then
        fail "there is no sudo here. As root, run: apt-get update && apt-get install -y --no-install-recommends $*"
    fi
    say "Installing $* (this can take minutes) ..."
    if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q update; then
        fail 'the package lists could not be brought up to date; see the lines above.'
    fi
    if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"; then
        fail "the packages could not be installed: $*"
    fi
}
