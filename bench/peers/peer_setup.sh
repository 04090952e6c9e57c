# To be sourced by the scripts beside it: sets fathom (build/release/fathom, or FATHOM=path) and python (PYTHON=path; by
# default a virtual environment under build/peers with the packages of requirements.txt, made when it is not there).
# Needs here and root.
fathom=${FATHOM:-$root/build/release/fathom}
[ -x "$fathom" ] || { echo "$(basename "$0"): build fathom first, or set FATHOM" >&2; exit 1; }
python=${PYTHON:-$root/build/peers/venv/bin/python}
if [ ! -x "$python" ]; then
  python3 -m venv "$root/build/peers/venv"
  "$python" -m pip install -q -r "$here/requirements.txt"
fi
# Settings of another BLAS for this machine would slow the peer down.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
