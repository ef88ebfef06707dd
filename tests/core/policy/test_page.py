"""The reference page and the published schema say what the code says.

`python tests/core/policy/test_page.py` brings them up to date.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from hubsec.policy import load_policy
from hubsec.policy.cases import run_cases
from hubsec.policy.publish import json_schema, key_table, rule_table
from hubsec.policy.reading import read_text

PAGE = Path(__file__).parents[3] / "docs" / "policies.md"
SCHEMA = PAGE.with_name("policy.schema.json")


def renewed(page: str) -> str:
    for name, table in (("keys", key_table()), ("rules", rule_table())):
        start = page.index("-->", page.index(f"<!-- {name}: ")) + len("-->")
        end = page.index(f"<!-- end of {name} -->")
        page = f"{page[:start]}\n\n{table}\n{page[end:]}"
    return page


def test_the_page_has_the_keys_and_rules_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page) == page


def schema() -> str:
    return json.dumps(json_schema(), indent=2) + "\n"


def test_the_published_schema_is_the_codes() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema()


def test_the_pages_examples_are_true() -> None:
    policy, cases = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    results = run_cases(load_policy(policy), read_text(cases))
    assert len(results) == 2
    assert all(result.passed for result in results)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
