"""The readers of pages themselves: a test that reads nothing proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.follow import Terminal, check_example, check_shown, follow
from tests.docs.pages import ROOT, Block, anchors_of, blocks_of, commands_of, links_of, write_files

PAGE = """# A page: `code`, and more

<!-- file: folder/a.py -->
```python
x = 1
```

Not marked, with a [link](other.md#part) and ![no link](picture.png).

1. Indented:

   <!-- run -->
   ```sh
   echo "```"
     echo two
   ```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def block(text: str) -> Block:
    return Block(page=ROOT / "README.md", line=1, language="text", mark="shows", text=text)


def test_blocks_carry_their_mark_language_and_line(page: Path) -> None:
    first, second = blocks_of(page)

    assert (first.mark, first.language, first.line, first.text) == ("file: folder/a.py", "python", 5, "x = 1\n")
    assert (second.mark, second.text) == ("run", 'echo "```"\n  echo two\n')


def test_links_and_anchors_are_found_outside_blocks(page: Path) -> None:
    assert links_of(page) == [(8, "other.md#part")]
    assert anchors_of(page) == {"a-page-code-and-more"}


def test_files_are_written_where_the_page_says(page: Path, tmp_path: Path) -> None:
    assert write_files(page, tmp_path) == {"folder/a.py": tmp_path / "folder/a.py"}
    assert (tmp_path / "folder/a.py").read_text() == "x = 1\n"


def test_an_open_block_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("```sh\necho\n")

    with pytest.raises(AssertionError, match="never ends"):
        blocks_of(path)


def test_a_terminal_keeps_its_folder_and_its_variables(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with Terminal(tmp_path) as terminal:
        terminal.run("cd inner\nexport WORD=kept")

        assert terminal.run('echo "$WORD"; pwd').split() == ["kept", str(tmp_path / "inner")]


def test_a_failing_command_is_told_with_its_output(tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal, pytest.raises(AssertionError, match=r"ended with 3:\nbefore"):
        terminal.run("echo before\n(exit 3)\necho after")


def test_shown_lines_are_found_in_order() -> None:
    check_shown(block("a  1\nb … z\n"), "x\na 1\ny\nb 2 3 z\n")


@pytest.mark.parametrize("shown", ["b\na\n", "a b\n", "…x\n"])
def test_a_line_that_was_not_printed_is_told(shown: str) -> None:
    with pytest.raises(AssertionError, match="not printed"):
        check_shown(block(shown), "a\nb\n")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("run 01935a2e-7c1f-7a44-9e0b-5f3c1d2a8b6f took 42 s", "run 01a1fd3f-2b14-7bce-b825-7c8f207208c6 took 3 ms"),
        ("1d2a8b6f  failed  2 h ago", "77c01a52  failed  now"),
        ("started Sat 2026-11-21 08:00:12 CET, 2 h ago", "started Mon 2030-01-07 18:00:12 UTC, 1 min 3 s ago"),
        ("0.8 GiB of 40 GiB", "79.1 GiB of 252 GiB"),
        ("1 234 runs", "7 runs"),
    ],
)
def test_numbers_ids_and_times_of_an_example_may_differ(shown: str, printed: str) -> None:
    check_example("page:1", shown, printed)


@pytest.mark.parametrize("printed", ["2 jobs fail", "two runs fail", "2 runs failed"])
def test_words_of_an_example_may_not_differ(printed: str) -> None:
    with pytest.raises(AssertionError, match="not printed"):
        check_example("page:1", "3 runs fail", printed)


def test_a_console_block_is_run_command_by_command(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("<!-- run -->\n```console\n$ echo 1 run > /somewhere/out\n$ cat \\\n  /somewhere/out\n3 run\n```\n")
    (block,) = blocks_of(path)

    assert [command for command, _ in commands_of(block)] == ["echo 1 run > /somewhere/out", "cat    /somewhere/out"]
    assert follow(path, tmp_path, places={"/somewhere": str(tmp_path)}) == ["1 run\n"]
    path.write_text(path.read_text().replace("3 run", "3 jobs"))
    with pytest.raises(AssertionError, match=r"page\.md:3: not printed: <n> jobs"):
        follow(path, tmp_path, places={"/somewhere": str(tmp_path)})
