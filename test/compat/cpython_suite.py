#!/usr/bin/env python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Runs modules of CPython's own test suite natively and inside a sandbox, and compares the verdicts.

    apt-get install python3 libpython3.11-testsuite
    test/compat/cpython_suite.py --runsc bazel-bin/runsc/runsc test_os test_posix ...

Prints a Markdown table (passed, failed, skipped, natively and sandboxed, per module) and every test whose
verdict differs, with the last line of its failure. The exit code is 1 if a test that passes natively does
not pass in the sandbox. Each module is one run of `python3.11 -m test -v --junit-xml`, so that a module
that hangs costs only its own time-out; the verdicts come from the XML, or from the verbose output when
there was no XML (a crash, a time-out).
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

DEFAULT_MODULES = [
    'test_os', 'test_posix', 'test_subprocess', 'test_signal', 'test_threading', 'test_io', 'test_mmap',
    'test_select', 'test_fcntl']

MORE_MODULES = [
    'test_epoll', 'test_poll', 'test_selectors', 'test_pty', 'test_tempfile', 'test_shutil', 'test_pathlib',
    # The parts that need no AF_INET.
    'test_socket:*Unix*,*SCMRights*,*SocketPair*,*Abstract*',
    'test_asyncio:*.test_subprocess.*,*.test_unix_events.*,*.test_tasks.*,*.test_futures.*,*.test_locks.*,'
    '*.test_queues.*,*.test_runners.*,*.test_threads.*,*.test_taskgroups.*,*.test_timeouts.*,*unix*',
    'test_multiprocessing_fork', 'test_concurrent_futures', 'test_sqlite3',
    'test_time', 'test_resource', 'test_fileio', 'test_largefile', 'test_tarfile', 'test_faulthandler',
    'test_wait3', 'test_wait4', 'test_fork1']

MARK = '=====cpython_suite junit====='

# Runs in the shell of either side. The XML goes to standard output because the sandbox's /tmp is its own.
SCRIPT = """
dir=$(mktemp -d) && cd "$dir" || exit 99
timeout -k 5 {timeout} {python} -m test -v --junit-xml "$dir/junit.xml" {extra} {module} </dev/null 2>&1
rc=$?
echo; echo '{mark}'
cat "$dir/junit.xml" 2>/dev/null
cd / && rm -rf "$dir"
exit $rc
"""


def parse_junit(text):
    verdicts = {}
    for case in ElementTree.fromstring(text).iter('testcase'):
        name = case.get('name')
        for tag, verdict in (('failure', 'fail'), ('error', 'error'), ('skipped', 'skip')):
            child = case.find(tag)
            if child is not None:
                lines = ((child.text or '') + '\n' + (child.get('message') or '')).strip().splitlines()
                if verdict == 'error' and any('unittest.case.SkipTest' in line for line in lines):
                    verdict = 'skip'
                verdicts[name] = (verdict, lines[-1] if lines else '')
                break
        else:
            # A sub-test that failed before must not be overwritten by its parent's entry.
            verdicts.setdefault(name, ('pass', ''))
    return verdicts


def parse_verbose(text):
    """Less exact: tests print into the same stream. Only used when a run has no XML."""
    verdicts = {}
    current = None
    for line in text.splitlines():
        match = re.match(r'(\w+) \(([\w.]+)\)(.*)$', line)
        if match:
            current = match.group(2)
            if not current.endswith('.' + match.group(1)):
                current += '.' + match.group(1)
            rest = match.group(3)
        else:
            rest = line
        if current is None:
            continue
        match = re.search(r'(?:\.\.\. |^)(ok|FAIL|ERROR|skipped .*)$', rest)
        if match:
            word = match.group(1).split()[0]
            verdicts[current] = ({'ok': 'pass', 'FAIL': 'fail', 'ERROR': 'error', 'skipped': 'skip'}[word], '')
            current = None
    if current is not None:
        verdicts[current] = ('error', 'the run ended inside this test')
    return verdicts


def run(prefix, module, args, log_path):
    module, _, patterns = module.partition(':')
    extra = args.extra + ''.join(f" -m '{pattern}'" for pattern in patterns.split(',') if pattern)
    script = SCRIPT.format(timeout=args.timeout, python=args.python, module=module, mark=MARK, extra=extra)
    start = time.monotonic()
    # A terminal or a descriptor of the caller must not make the two runs differ.
    process = subprocess.Popen(
        prefix + ['/bin/sh', '-c', script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
        env={'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/root',
             'LANG': 'C.UTF-8', 'TMPDIR': '/tmp'})
    try:
        output, _ = process.communicate(timeout=args.timeout + 30)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        code = 'timeout'
    if code == 124 or code == 137:
        code = 'timeout'
    seconds = time.monotonic() - start
    text = output.decode('utf-8', 'replace')
    if log_path:
        with open(log_path, 'w') as log:
            log.write(text)
    verbose, _, xml = text.rpartition('\n' + MARK + '\n')
    try:
        verdicts = parse_junit(xml)
    except ElementTree.ParseError:
        verdicts = parse_verbose(verbose or text)
    if re.search(r'^' + module + r' skipped', verbose, re.M):
        code = 'module skipped'
    return verdicts, code, seconds


def count(verdicts):
    values = [verdict for verdict, _ in verdicts.values()]
    return values.count('pass'), values.count('fail') + values.count('error'), values.count('skip')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('modules', nargs='*', help='test modules; MODULE:PATTERN,… takes the tests '
                        'that match; "more" stands for the second list')
    parser.add_argument('--runsc', default='bazel-bin/runsc/runsc')
    parser.add_argument('--platform', default='ptrace')
    parser.add_argument('--python', default='/usr/bin/python3.11')
    parser.add_argument('--timeout', type=int, default=300, help='seconds per module and side')
    parser.add_argument('--extra', default='', help='more arguments for `python3.11 -m test`')
    parser.add_argument('--logs', help='a directory for the complete outputs')
    parser.add_argument('--native-cache', help='a JSON file: native verdicts are taken from it, or put into it')
    args = parser.parse_args()
    modules = []
    for module in args.modules or DEFAULT_MODULES:
        modules += MORE_MODULES if module == 'more' else [module]
    if args.logs:
        os.makedirs(args.logs, exist_ok=True)

    cache = {}
    if args.native_cache and os.path.exists(args.native_cache):
        with open(args.native_cache) as file:
            cache = json.load(file)

    def log_path(module, side):
        return args.logs and os.path.join(args.logs, f"{module.partition(':')[0]}.{side}.log")

    sandbox = [os.path.abspath(args.runsc), '--platform=' + args.platform, 'do', '--']
    worse = []
    better = []
    absent = {}  # module -> tests that ran natively only, because the sandboxed run ended before
    totals = [0] * 6
    print('| module | native passed/failed/skipped | sandboxed passed/failed/skipped | seconds native/sandboxed |')
    print('| --- | --- | --- | --- |', flush=True)
    for module in modules:
        if module not in cache:
            cache[module] = run([], module, args, log_path(module, 'native'))
            if args.native_cache:
                with open(args.native_cache, 'w') as file:
                    json.dump(cache, file)
        native, native_code, native_seconds = cache[module]
        inside, inside_code, inside_seconds = run(sandbox, module, args, log_path(module, 'sandbox'))
        numbers = count(native) + count(inside)
        totals = [a + b for a, b in zip(totals, numbers)]
        notes = ''.join(f' ({side}: {code})' for side, code in
                        (('native', native_code), ('sandboxed', inside_code)) if isinstance(code, str))
        name = module.partition(':')[0] + (' (part)' if ':' in module else '')
        print('| {}{} | {}/{}/{} | {}/{}/{} | {:.0f}/{:.0f} |'.format(
            name, notes, *numbers, native_seconds, inside_seconds), flush=True)
        for name in sorted(set(native) | set(inside)):
            before, _ = native.get(name, ('absent', ''))
            after, reason = inside.get(name, ('absent', ''))
            bad = ('fail', 'error', 'absent')
            if before == after or (before in bad and after in bad):
                continue
            if after == 'absent':
                absent[module] = absent.get(module, 0) + 1
            else:
                (worse if before == 'pass' else better).append((name, before, after, reason))
    print('| total | {}/{}/{} | {}/{}/{} | |'.format(*totals))
    for title, rows in (('Pass natively, not in the sandbox', worse), ('Other differences', better)):
        print(f'\n{title}: {len(rows)}')
        for name, before, after, reason in rows:
            print(f'  {name}: {before} -> {after}: {reason[:200]}')
    for module, number in absent.items():
        print(f'\n{module}: {number} tests were not reached in the sandbox')
    return 1 if worse or absent else 0


if __name__ == '__main__':
    sys.exit(main())
