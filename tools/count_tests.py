#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""Counts the test cases of one Bazel run.

usage: count_tests.py BUILD_EVENT_JSON_FILE BAZEL_EXIT_STATUS

Reads the run's build events and not all of bazel-testlogs/, where reports of
tests stay that no longer exist. A test target that failed without a failed case
in its report (it crashed, timed out or did not build) counts as one failure.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree


def count_cases(path):
    """Returns (passed, failed, skipped) of one test.xml."""
    try:
        cases = list(xml.etree.ElementTree.parse(path).iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError):
        return 0, 0, 0
    passed = failed = skipped = 0
    for case in cases:
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds or case.get("status") == "notrun" or case.get("result") == "skipped":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def read_events(path):
    """Returns the labels of all tests, and {(label, run, shard): result} of the last attempts."""
    tests = set()
    results = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            kind = event["id"]
            if "targetConfigured" in kind and "testSize" in event.get("configured", {}):
                tests.add(kind["targetConfigured"]["label"])
            elif "testResult" in kind and "testResult" in event:
                key = kind["testResult"]
                results[key["label"], key.get("run"), key.get("shard")] = event["testResult"]
    return tests, results


def main():
    tests, results = read_events(sys.argv[1])
    bazel_status = int(sys.argv[2])
    passed = failed = skipped = 0
    problems = []

    for (label, _, _), result in sorted(results.items()):
        counts = (0, 0, 0)
        for output in result.get("testActionOutput", []):
            if output["name"] == "test.xml":
                counts = count_cases(urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path))
        status = result.get("status", "NO_STATUS")
        if status not in ("PASSED", "FLAKY") and counts[1] == 0:
            counts = (counts[0], 1, counts[2])
        elif status == "PASSED" and sum(counts) == 0:
            counts = (1, 0, 0)
        if counts[1]:
            problems.append("%s: %d failed (%s)" % (label, counts[1], status))
        passed += counts[0]
        failed += counts[1]
        skipped += counts[2]

    for label in sorted(tests - {key[0] for key in results}):
        problems.append("%s: did not build or run" % label)
        failed += 1
    if bazel_status != 0 and failed == 0:
        # 4: no test targets at all.
        problems.append("bazel ended with status %d" % bazel_status)
        failed += 1

    for problem in problems:
        print(problem)
    if skipped:
        print("%d skipped" % skipped)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
