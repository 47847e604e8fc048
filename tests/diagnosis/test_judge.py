"""`judge` says what `diagnose` says, without what only a reader of one report needs."""

import msgspec

from tests.fuzz.promises import evidence_of, real_logs
from unkillable.diagnosis import diagnose, judge


def test_judge_differs_from_diagnose_in_nothing_but_what_it_leaves_out():
    kinds = set()
    for log in real_logs():
        for evidence in evidence_of(log, close=True):
            whole = diagnose(evidence)
            assert judge(evidence) == msgspec.structs.replace(
                whole, timeline=(), missing_evidence=(), advice=()
            )
            kinds.add(whole.verdict.kind)
    assert len(kinds) > 8
