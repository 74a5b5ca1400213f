"""The readers of pages themselves: a test that reads nothing proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.follow import Terminal, check_shown
from tests.docs.pages import ROOT, Block, anchors_of, blocks_of, links_of, write_files

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
