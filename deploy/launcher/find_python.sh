# Prints the first Python 3.11–3.13 that can make virtual environments; PYTHON names one to use instead.
find_python() {
    local candidate
    local probe='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c "$probe" >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    {
        echo "No usable Python found: kalshiops needs Python 3.11, 3.12 or 3.13 with the venv and ensurepip modules."
        echo "On Debian or Ubuntu: apt-get install python3 python3-venv. Or set PYTHON to the interpreter to use."
    } >&2
    return 1
}
