# Values of this site, sourced by the other scripts. Each can be set in the environment instead.

# How an MPI job is launched on one machine. Ranks may outnumber cores, and threads place themselves. Quiet: what a rank
# has to say, it says itself, and mpirun would add some lines on how the job ended to every line of the ranks'.
: "${PIPESPEC_MPIRUN:=mpirun --quiet --oversubscribe --bind-to none}"

# Processes that compile at once.
: "${PIPESPEC_BUILD_JOBS:=$(nproc)}"

# Open MPI refuses to run as root unless told twice (containers usually are root), and in a container it may not copy
# memory between processes and would warn about it at every launch.
if [ "$(id -u)" = 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism:-none}"
