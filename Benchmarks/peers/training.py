"""One peer, PyTorch or JAX, training one multilayer perceptron on this machine: prints a line of JSON.

Usage: training.py --peer torch|torch-ddp|jax --config a|b|c|d|narrow [--tuned] [--fused] [--processes 2] [--steps N | --seconds S] [--pin CORE]

torch      one process of one thread, one worker's batch
torch-ddp  --processes processes of one thread, a batch each: DistributedDataParallel, gloo over loopback
jax        one process on all cores, compiled, arguments donated; two workers' batches a step

A step is forward, mean cross-entropy over 10 classes, backward, and SGD with momentum 0.9, all in float32. Every peer starts from the
same parameters (He's scale for ReLU, 1/√fan-in for tanh, so that neither activations nor gradients shrink to denormals) and goes round
the same 16 batches, made before. The loss is the last timed step's mean over the processes: torch-ddp of 2 and jax do the same
arithmetic and must agree on it, up to rounding (some 1e-4 after 15 steps), after as many.

--tuned  PyTorch with glibc's malloc told to keep what it frees (thresholds of 1 GiB). Without it malloc's defaults, whatever the caller set.
--fused  PyTorch's fused SGD in place of its default; torch-ddp takes gradients as views of its buckets, too.
--pin    the core of all of torch's threads; torch-ddp's process r gets the r-th core from there.

The wall time runs from the first process's start, after a barrier, to the last one's end. Processor time is user and system time of
all processes meanwhile. JAX dispatches ahead, so it is waited for, and a step's time taken, every quarter of a second.
maxRSSMegabytes: the largest process's peak; pssMegabytes: the sum over torch-ddp's processes at the end. 10⁶ bytes.
Linux only: children die with their parent.
"""

import argparse
import ctypes
import importlib.util
import json
import math
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import socket
import statistics
import sys
import time
import warnings

# The widths, the activation and a worker's batch.
CONFIGS = {
    "a": ([784] + [1024] * 8 + [10], "relu", 128),
    "b": ([64] + [256] * 16 + [10], "relu", 64),
    "c": ([784] + [2048] * 4 + [10], "relu", 256),
    "narrow": ([64] + [64] * 256 + [10], "tanh", 64),
}
CONFIGS["d"] = CONFIGS["a"]  # differs for plumb only
LIBRARIES = {"torch": "torch", "torch-ddp": "torch", "jax": "jax"}
WARM_UP, BATCHES, RATE, MOMENTUM = 10, 16, 1e-3, 0.9
JAX_WORKERS = 2
MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PR_SET_PDEATHSIG = 1
TIMEOUT = 300  # seconds a process waits for another


class Failure(Exception):
    """What went wrong and what to do, for the user."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f"{message}; see --help")


def parse():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--peer", required=True, choices=list(LIBRARIES))
    parser.add_argument("--config", required=True, choices=sorted(CONFIGS))
    parser.add_argument("--tuned", action="store_true", help="malloc's thresholds raised")
    parser.add_argument("--fused", action="store_true", help="PyTorch's fused SGD")
    parser.add_argument("--processes", type=int, default=2, help="of torch-ddp; the others have one")
    parser.add_argument("--steps", type=int, help="timed steps, in place of --seconds")
    parser.add_argument("--seconds", type=float, default=5.0, help="time at least so long")
    parser.add_argument("--pin", type=int, metavar="CORE")
    options = parser.parse_args()
    if options.steps is not None and options.steps < 1:
        raise Failure(f"--steps {options.steps} times nothing; give 1 or more")
    if not 0 < options.seconds < math.inf:
        raise Failure(f"--seconds {options.seconds:g} is no time to measure; give a positive number")
    if options.processes < 1:
        raise Failure(f"--processes {options.processes} trains nothing; give 1 or more")
    if options.peer != "torch-ddp":
        options.processes = 1
    if options.peer == "jax":
        for name, given in (("--tuned", options.tuned), ("--fused", options.fused), ("--pin", options.pin is not None)):
            if given:
                raise Failure(f"{name} is for the torch peers; leave it out with --peer jax")
    if not hasattr(os, "sched_setaffinity"):
        raise Failure("this program counts on Linux; run it there")
    if options.pin is not None:
        usable = sorted(os.sched_getaffinity(0))
        wanted = range(options.pin, options.pin + options.processes)
        if not set(wanted) <= set(usable):
            raise Failure(f"--pin {options.pin} needs core {wanted[-1]}, and this process has {usable}; choose among these")
    return options


def settle(options):
    """Starts this program anew when it was not started with the environment that the peer is to have: libraries and malloc read it once."""
    wanted = {key: value for key, value in os.environ.items() if key not in MALLOC + THREADS}
    if options.peer == "jax":
        wanted["JAX_PLATFORMS"] = "cpu"
    else:
        wanted.update({name: "1" for name in THREADS})
        wanted["GLOO_SOCKET_IFNAME"] = "lo"
    if options.tuned:
        try:
            accepted = ctypes.CDLL(None).mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD; older glibcs refuse more than 32 MiB
        except AttributeError:
            raise Failure("--tuned sets glibc's malloc, and this C library has no mallopt; leave it out") from None
        wanted.update({name: str(1 << 30 if accepted else 32 << 20) for name in MALLOC})
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable] + sys.orig_argv[1:], wanted)


def problem(options, rows):
    """The parameters, and this process's rows of every batch."""
    import numpy

    widths, activation, _ = CONFIGS[options.config]
    generator = numpy.random.default_rng(0)
    parameters = []
    for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        gain = 2.0 if activation == "relu" and index + 2 < len(widths) else 1.0
        weight = generator.standard_normal((inputs, outputs), dtype=numpy.float32) * numpy.float32(math.sqrt(gain / inputs))
        parameters.append((weight, numpy.zeros(outputs, dtype=numpy.float32)))
    batches = []
    for index in range(BATCHES):
        generator = numpy.random.default_rng([1, index])
        inputs = generator.standard_normal((rows.stop, widths[0]), dtype=numpy.float32)
        labels = numpy.random.default_rng([2, index]).integers(widths[-1], size=rows.stop)
        batches.append((inputs[rows].copy(), labels[rows].copy()))
    return parameters, batches


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def proportional():
    """This process's part of the memory, shared pages divided among those that share them; in bytes."""
    try:
        with open("/proc/self/smaps_rollup") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return None


def measured(version, start, end, cpu, durations, steps, loss):
    """One process's part of the report."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "version": version,
        "start": start,
        "end": end,
        "cpu": cpu,
        "stepSeconds": statistics.median(durations),
        "steps": steps,
        "loss": loss,
        "peak": peak,
        "pss": None,
    }


def torch_worker(options, rank=0, listener=None):
    if options.pin is not None:
        os.sched_setaffinity(0, {options.pin + rank})
    warnings.filterwarnings("ignore")
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    widths, activation, batch = CONFIGS[options.config]
    parameters, batches = problem(options, slice(rank * batch, (rank + 1) * batch))
    layers = []
    for index, (weight, bias) in enumerate(parameters):
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight).T)
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear] + ([nn.ReLU() if activation == "relu" else nn.Tanh()] if index + 1 < len(parameters) else [])
    model = nn.Sequential(*layers)
    batches = [(torch.from_numpy(inputs), torch.from_numpy(labels)) for inputs, labels in batches]
    distributed = None
    if listener is not None:
        import datetime

        import torch.distributed as distributed

        limit = datetime.timedelta(seconds=TIMEOUT)
        address, port = listener.getsockname()
        master = {"is_master": True, "master_listen_fd": listener.detach()} if rank == 0 else {}
        store = distributed.TCPStore(address, port, options.processes, timeout=limit, wait_for_workers=False, **master)
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=options.processes, timeout=limit)
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=options.fused)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, fused=options.fused or None)
    count = 0

    def step():
        nonlocal count
        inputs, labels = batches[count % BATCHES]
        count += 1
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    def agreed(number, operation):
        """One number of all processes."""
        if distributed is None:
            return number
        tensor = torch.tensor([number], dtype=torch.float64)
        distributed.all_reduce(tensor, op=getattr(distributed.ReduceOp, operation))
        return tensor.item()

    warm = []
    for _ in range(WARM_UP):
        before = time.perf_counter()
        step()
        warm.append(time.perf_counter() - before)
    # Processes agree every quarter of a second whether to go on.
    stride = 1 if distributed is None else max(1, int(0.25 / agreed(statistics.median(warm), "MAX")))
    if distributed is not None:
        distributed.barrier()
    durations, cpu, start = [], usage(), time.perf_counter()
    before = start
    while True:
        loss = step()
        now = time.perf_counter()
        durations.append(now - before)
        before = now
        if options.steps is not None:
            if len(durations) == options.steps:
                break
        elif len(durations) % stride == 0 and agreed(now - start, "MIN") >= options.seconds:
            break
    end, cpu = time.perf_counter(), usage() - cpu
    loss = agreed(loss.item(), "SUM") / options.processes
    result = measured(torch.__version__, start, end, cpu, durations, len(durations), loss)
    if distributed is not None:
        distributed.barrier()
        result["pss"] = proportional()
        distributed.barrier()
        distributed.destroy_process_group()
    return result


def jax_worker(options):
    import functools

    import jax
    import jax.numpy as jnp

    _, activation, batch = CONFIGS[options.config]
    parameters, batches = problem(options, slice(0, JAX_WORKERS * batch))
    bend = jax.nn.relu if activation == "relu" else jnp.tanh

    def mean_loss(parameters, inputs, labels):
        for weight, bias in parameters[:-1]:
            inputs = bend(inputs @ weight + bias)
        weight, bias = parameters[-1]
        scores = jax.nn.log_softmax(inputs @ weight + bias)
        return -jnp.take_along_axis(scores, labels[:, None], axis=1).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(parameters, velocity, inputs, labels):
        loss, gradients = jax.value_and_grad(mean_loss)(parameters, inputs, labels)
        velocity = jax.tree.map(lambda speed, gradient: MOMENTUM * speed + gradient, velocity, gradients)
        parameters = jax.tree.map(lambda value, speed: value - RATE * speed, parameters, velocity)
        return parameters, velocity, loss

    state = jax.tree.map(jnp.array, parameters)
    state = (state, jax.tree.map(jnp.zeros_like, state))
    batches = [(jnp.asarray(inputs), jnp.asarray(labels.astype("int32"))) for inputs, labels in batches]
    count = 0

    def steps(number):
        nonlocal state, count
        for _ in range(number):
            *state, loss = step(*state, *batches[count % BATCHES])
            count += 1
        jax.block_until_ready((state, loss))
        return loss

    warm = []
    for _ in range(WARM_UP):
        before = time.perf_counter()
        steps(1)
        warm.append(time.perf_counter() - before)
    stride = max(1, int(0.25 / statistics.median(warm)))
    durations, done, cpu, start = [], 0, usage(), time.perf_counter()
    before = start
    while True:
        number = stride if options.steps is None else min(stride, options.steps - done)
        loss = steps(number)
        now = time.perf_counter()
        durations.append((now - before) / number)
        before, done = now, done + number
        if done == options.steps or (options.steps is None and now - start >= options.seconds):
            break
    end, cpu = time.perf_counter(), usage() - cpu
    return measured(jax.__version__, start, end, cpu, durations, done, loss.item())


def child(options, rank, parent, listener, pipe):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    try:
        pipe.send(torch_worker(options, rank, listener))
    except BaseException as error:
        pipe.send(f"{type(error).__name__}: {error}")


def processes(options):
    """torch-ddp's children, from their start to the last one's report."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # a port of the system's choice, listened on before anyone connects
    listener.listen(options.processes)
    fork = multiprocessing.get_context("fork")
    pipes, children = [], []
    for rank in range(options.processes):
        pipe, its = fork.Pipe(duplex=False)
        children.append(fork.Process(target=child, args=(options, rank, os.getpid(), listener, its), daemon=True))
        children[-1].start()
        its.close()
        pipes.append(pipe)
    listener.close()
    results = {}
    try:
        while len(results) < options.processes:
            waiting = [rank for rank in range(options.processes) if rank not in results]
            multiprocessing.connection.wait([pipes[rank] for rank in waiting] + [children[rank].sentinel for rank in waiting])
            for rank in waiting:
                over = not children[rank].is_alive()
                if pipes[rank].poll():
                    try:
                        results[rank] = pipes[rank].recv()
                    except EOFError:
                        results[rank] = "nothing was reported"
                elif over:
                    results[rank] = "nothing was reported"
                if isinstance(results.get(rank), str):
                    children[rank].join(5)
                    raise Failure(
                        f"torch-ddp's process {rank} ended (exit code {children[rank].exitcode}): {brief(results[rank])}; check memory "
                        f"and the loopback interface, or take fewer --processes"
                    )
        for process in children:
            process.join(TIMEOUT)
    finally:
        for process in children:
            process.kill()
    return [results[rank] for rank in range(options.processes)]


def brief(error):
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def report(options, load, parts):
    batch = CONFIGS[options.config][2]
    samples = parts[0]["steps"] * batch * (JAX_WORKERS if options.peer == "jax" else options.processes)
    seconds = max(part["end"] for part in parts) - min(part["start"] for part in parts)
    if not math.isfinite(parts[0]["loss"]):
        raise Failure(f"the training diverged after {parts[0]['steps']} steps, so its time says nothing; time fewer steps")
    result = {
        "peer": options.peer,
        "config": options.config,
        "tuned": options.tuned,
        "fused": options.fused,
        "processes": options.processes,
        "version": parts[0]["version"],
        "samplesPerSecond": samples / seconds,
        "cpuSecondsPerSample": sum(part["cpu"] for part in parts) / samples,
        "stepSeconds": statistics.median(part["stepSeconds"] for part in parts),
        "steps": parts[0]["steps"],
        "warmUpSteps": WARM_UP,
        "batchPerWorker": batch,
        "batch": samples // parts[0]["steps"],
        "loss": parts[0]["loss"],
        "load": load,
        "maxRSSMegabytes": max(part["peak"] for part in parts) / 1e6,
    }
    if all(part["pss"] is not None for part in parts):
        result["pssMegabytes"] = sum(part["pss"] for part in parts) / 1e6
    return result


def main():
    try:
        load = os.getloadavg()[0]
        options = parse()
        library = LIBRARIES[options.peer]
        for name in (library, "numpy"):
            if importlib.util.find_spec(name) is None:
                raise Failure(f"{name} is not installed for {sys.executable}; pip install -r Benchmarks/peers/requirements.txt")
        settle(options)
        output = os.fdopen(os.dup(1), "w")  # libraries that print do so on stderr
        os.dup2(2, 1)
        try:
            if options.peer == "torch-ddp":
                parts = processes(options)
            else:
                parts = [jax_worker(options) if options.peer == "jax" else torch_worker(options)]
        except ImportError as error:
            raise Failure(f"{library} cannot be loaded ({brief(error)}); pip install -r Benchmarks/peers/requirements.txt") from None
        except (RuntimeError, MemoryError, OSError) as error:
            raise Failure(f"{options.peer} failed ({brief(error)}); free memory or choose a smaller --config") from None
        try:
            print(json.dumps(report(options, load, parts)), file=output, flush=True)
        except OSError as error:
            raise Failure(f"the result cannot be written ({error.strerror}); check where standard output goes") from None
    except Failure as failure:
        print(f"training.py: {failure}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
