#!/usr/bin/env python3
"""Steps of several hosts whose links are slow, against what the links allow.

    sudo python3 Benchmarks/network.py --plumb PROGRAM [--workers 4] [--rate 1000] [--steps 25] [--rows 4]

Makes network namespaces on one bridge, each link shaped to --rate Mbit/s both ways, and runs a coordinator on one and a worker on each of the
others, with the 784→[1024]×8→10 network and so few rows a worker that computing is small beside the network. The bounds, in payload alone:
placement workers, 2 (W − 1) / W × parameter bytes over a worker's link; placement coordinator, W × parameter bytes over the coordinator's.
Tcp's congestion control is cubic, Linux's default; a kernel that keeps it from namespaces
(net.ipv4.tcp_allowed_congestion_control) leaves its own, which is printed. Payloads go over tcp: the hosts are one machine, whose processes would share memory. Needs root and iproute2; leaves nothing behind.
"""
import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import training

PREFIX = f"plumbnet{os.getpid()}"


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or 'failed'}; this needs root and iproute2 with tbf")


def make_hosts(count, rate):
    switch = PREFIX + "-sw"
    shape = ["tbf", "rate", f"{rate}mbit", "burst", "256kb", "latency", "20ms"]
    run("ip", "netns", "add", switch)
    run("ip", "-n", switch, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
    run("ip", "-n", switch, "link", "set", "br0", "up")
    for host in range(count):
        name = f"{PREFIX}-{host}"
        run("ip", "netns", "add", name)
        choose_congestion_control(name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", f"p{host}", "netns", switch)
        run("ip", "-n", switch, "link", "set", f"p{host}", "master", "br0", "up")
        run("ip", "-n", name, "addr", "add", f"10.78.0.{host + 1}/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "netns", "exec", name, "tc", "qdisc", "replace", "dev", "eth0", "root", *shape)
        run("ip", "netns", "exec", switch, "tc", "qdisc", "replace", "dev", f"p{host}", "root", *shape)


def choose_congestion_control(name):
    """Linux's default, whatever this machine's is, which the hosts would inherit; where a namespace may not have it, this machine's."""
    subprocess.run(
        ["ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic"], capture_output=True)


def congestion_control():
    """That of the first host, in a word."""
    read = ["ip", "netns", "exec", f"{PREFIX}-0", "sysctl", "-n", "net.ipv4.tcp_congestion_control"]
    return subprocess.run(read, capture_output=True, text=True).stdout.strip()


def remove_hosts(count):
    for name in [f"{PREFIX}-{host}" for host in range(count)] + [PREFIX + "-sw"]:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def median_step(given, placement, folder):
    width, layers, inputs, _, _, activation, _ = training.CONFIGS["a"]
    batch = given.rows * given.workers
    file = os.path.join(folder, "experiment.yaml")
    with open(file, "w") as out:
        out.write(training.EXPERIMENT.format(
            name="network", examples=16 * batch, inputs=inputs, width=width, layers=layers, batch=batch, partitions=given.workers,
            activation=activation, init="he", steps=given.steps + 5, workers=given.workers))
    directory = os.path.join(folder, placement)
    processes = [subprocess.Popen(
        ["ip", "netns", "exec", f"{PREFIX}-0", given.plumb, "coordinator", file, "--bind", "10.78.0.1", "--insecure",
         "--run-dir", directory, "--set", "training.placement=" + placement, "--set",
         "cluster.payloads=tcp"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)]
    try:
        deadline = time.time() + 60
        while not os.path.exists(directory + "/endpoint"):
            if time.time() > deadline or processes[0].poll() is not None:
                raise RuntimeError("the coordinator has not begun: " + (processes[0].stderr.read() if processes[0].poll() else ""))
            time.sleep(0.1)
        endpoint = open(directory + "/endpoint").read().split()[0]
        for host in range(1, given.workers + 1):
            processes.append(subprocess.Popen(
                ["ip", "netns", "exec", f"{PREFIX}-{host}", given.plumb, "worker", "--connect", endpoint, "--insecure", "--quiet"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for process in processes:
            if process.wait(120 + 5 * given.steps) != 0:
                raise RuntimeError(f"a process of placement {placement} ended with {process.returncode}")
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    with sqlite3.connect(directory + "/run.sqlite") as record:
        times = [row[0] for row in record.execute("SELECT wall_seconds FROM step_timings ORDER BY step")][5:]
        parameters = int(record.execute("SELECT value FROM meta WHERE key = 'parameters'").fetchone()[0])
    return statistics.median(times), 4 * parameters


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plumb", required=True)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1000, help="Mbit/s of each link, each way")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rows", type=int, default=4, help="examples a worker and step")
    given = parser.parse_args()
    given.plumb = os.path.abspath(given.plumb)
    try:
        make_hosts(given.workers + 1, given.rate)
        print(f"{given.workers} workers, links of {given.rate:g} Mbit/s, tcp's congestion control: {congestion_control()}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for placement, factor in [("workers", 2 * (given.workers - 1) / given.workers), ("coordinator", given.workers)]:
                step, size = median_step(given, placement, folder)
                bound = factor * size / (given.rate * 1e6 / 8)
                print(f"{placement:12} {step * 1e3:.0f} ms a step, the links' bound {bound * 1e3:.0f} ms: {bound / step * 100:.1f} % of it",
                      flush=True)
    except RuntimeError as error:
        sys.exit(f"{error}")
    finally:
        remove_hosts(given.workers + 1)


if __name__ == "__main__":
    main()
