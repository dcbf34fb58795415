#!/usr/bin/env python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Runs every stressor of some classes of stress-ng natively and in a sandbox, and compares the exit codes.

    apt-get install stress-ng
    test/compat/stress_ng.py --runsc bazel-bin/runsc/runsc                 # all of the classes below
    test/compat/stress_ng.py --runsc … --platform ptrace dev procfs        # some stressors

Each stressor is one run of `stress-ng --NAME 1 -t SECONDS`. Natively it has namespaces of its own and lacks
the capabilities that could harm the host; some that harm nevertheless are run in the sandbox only. (Those that
stress-ng calls pathological it does not run without being asked, on either side.) What counts as a failure: another exit code than natively, a run that does not end, a sandbox that dies, and a
process that is left behind. Prints a line for each stressor that differs; the exit code is 1 if one does.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLASSES = ['os', 'scheduler', 'memory', 'pipe', 'vm', 'interrupt']

# They reset, reconfigure or slow down the host for everybody.
NOT_ON_THE_HOST = {
    'bad-ioctl', 'cpu-online', 'idle-page', 'memhotplug', 'reboot', 'rtc', 'softlockup', 'swap', 'sysfs'}

# stress-ng's exit codes (its manual, "EXIT STATUS").
CODES = {0: 'ok', 1: 'wrong use', 2: 'a stressor failed', 3: 'no resources', 4: 'not implemented',
         5: 'killed by a signal', 6: 'exited unexpectedly', 7: 'metrics untrustworthy'}

DROPPED = '-sys_boot,-sys_module,-sys_rawio,-sys_time'
NATIVE = ['unshare', '--fork', '--pid', '--mount-proc', '--kill-child', '--ipc', '--uts',
          'setpriv', '--bounding-set', DROPPED, '--inh-caps', DROPPED]


def stressors_of(classes):
    names = set()
    for name in classes:
        text = subprocess.run(['stress-ng', '--class', name + '?'], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False).stdout.decode()
        match = re.search(r"stressors: (.*)", text)
        if not match:
            sys.exit(f'stress-ng knows no class {name}: {text}')
        names.update(match.group(1).split())
    return sorted(names)


def adopt_orphans():
    """Makes this process the parent of every descendant that loses its own."""
    import ctypes
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def left_behind(seconds):
    """Kills and describes the descendants that do not end by themselves in that time."""
    found = {}
    deadline = time.monotonic() + seconds
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return list(found.values())
        if time.monotonic() > deadline:
            for task in os.listdir('/proc/self/task'):
                with open(f'/proc/self/task/{task}/children', encoding='ascii') as file:
                    pids = [int(pid) for pid in file.read().split()]
                for pid in pids:
                    try:
                        with open(f'/proc/{pid}/cmdline', 'rb') as file:
                            found[pid] = file.read().replace(b'\0', b' ').decode(errors='replace')
                        os.kill(pid, signal.SIGKILL)
                    except (FileNotFoundError, ProcessLookupError):
                        pass
        time.sleep(0.05)


def run(prefix, name, args):
    """(exit code or a description, seconds, output)"""
    directory = tempfile.mkdtemp(prefix='stress-ng.', dir='/tmp')
    command = args.wrapper.split() + prefix + ['stress-ng', '--' + name, '1', '-t', str(args.seconds), '--temp-path', '/tmp']
    start = time.monotonic()
    with open(os.path.join(directory, 'output'), 'wb+') as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True, cwd=directory)
        try:
            code = process.wait(args.timeout)
        except subprocess.TimeoutExpired:
            if args.keep_hangs:
                input(f'{name} hangs: process {process.pid}; Enter ends it')
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = 'did not end'
        seconds = time.monotonic() - start
        output.seek(0)
        text = output.read().decode('utf-8', 'replace')
    left = left_behind(args.grace)
    if left and code != 'did not end':
        code = 'left behind: ' + '; '.join(left)
    shutil.rmtree(directory, ignore_errors=True)
    return code, seconds, text


def describe(code):
    return f'{code} ({CODES.get(code, "signal" if code < 0 else "?")})' if isinstance(code, int) else code


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', help='stressors [all of the classes]')
    parser.add_argument('--classes', default=','.join(CLASSES), help='[%(default)s]')
    parser.add_argument('--skip', default='', help='stressors to leave out')
    parser.add_argument('--runsc', default='bazel-bin/runsc/runsc')
    parser.add_argument('--runsc-flags', default='', help='more flags for runsc')
    parser.add_argument('--platform', default='systrap')
    parser.add_argument('--seconds', type=int, default=2, help='of one stressor')
    parser.add_argument('--timeout', type=int, default=60, help='seconds until a run counts as one that hangs')
    parser.add_argument('--grace', type=float, default=5, help='seconds for processes to go away afterwards')
    parser.add_argument('--wrapper', default='', help='a command that starts each run, to limit its memory say')
    parser.add_argument('--native-cache', help='a JSON file: native exit codes are taken from it, or put into it')
    parser.add_argument('--logs', help='a directory for outputs')
    parser.add_argument('--keep-hangs', action='store_true', help='wait for Enter before a run that hangs is ended')
    args = parser.parse_args()

    skip = set(args.skip.split(','))
    names = [name for name in args.names or stressors_of(args.classes.split(',')) if name not in skip]
    if args.logs:
        os.makedirs(args.logs, exist_ok=True)
    cache = {}
    if args.native_cache and os.path.exists(args.native_cache):
        with open(args.native_cache, encoding='utf-8') as file:
            cache = json.load(file)
    sandbox = [os.path.abspath(args.runsc), '--platform=' + args.platform, *args.runsc_flags.split(), 'do', '--']
    # Core dumps of the stressors that crash on purpose.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    adopt_orphans()

    def log(name, side, text):
        if args.logs:
            with open(os.path.join(args.logs, f'{name}.{side}.log'), 'w', encoding='utf-8') as file:
                file.write(text)

    different = []
    for name in names:
        if name not in cache and name not in NOT_ON_THE_HOST:
            code, _, text = run(NATIVE, name, args)
            log(name, 'native', text)
            cache[name] = code
            if args.native_cache:
                with open(args.native_cache, 'w', encoding='utf-8') as file:
                    json.dump(cache, file, indent=1)
        code, seconds, text = run(sandbox, name, args)
        log(name, 'sandbox', text)
        same = code == cache[name] if name in cache else code in (0, 3, 4)
        native = describe(cache[name]) if name in cache else 'not run'
        print(f'{"same" if same else "DIFFERS":8} {name:20} native {native}, sandboxed {describe(code)}, '
              f'{seconds:.1f} s', flush=True)
        if not same:
            different.append(name)
            for line in text.splitlines()[-8:]:
                print('         ' + line[:200], flush=True)
    print(f'{len(names)} stressors, {len(different)} differ: {" ".join(different)}')
    return 1 if different else 0


if __name__ == '__main__':
    sys.exit(main())
