"""The text of a change as it is published: no binary file, nothing like a secret, and never a broken fence."""

import pytest
from seedproof.report.code_section import MOST_BYTES, left_out, publish_diff, shown_diff


def part(path: str, *added: str) -> str:
    lines = "".join(f"+{line}\n" for line in added)
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{len(added)} @@\n{lines}"


def test_the_parts_are_kept_as_they_are_and_the_line_before_them_goes() -> None:
    text = part("a.py", "x = 1") + part("b.py", "diff --git a/x b/x", "")
    assert publish_diff(f"seedproof-code {'a' * 64}\n{text}") == text


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "conf/.env.local",
        "id_rsa",
        "server.pem",
        "a/my_secrets.yaml",
        "aws_credentials",
        "passwords.txt",
        ".netrc",
    ],
)
def test_a_file_whose_name_is_one_of_secrets_is_left_out_and_said(path: str) -> None:
    published = publish_diff(part("a.py", "x = 1") + part(path, "x"))
    assert published == f"Left out: {path} (looks like a secret)\n{part('a.py', 'x = 1')}"
    assert left_out(published) == [f"{path} (looks like a secret)"]


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        "token = 'hf_abcdefghijklmnopqrstuvwxyz'",
        "key = ghp_0123456789abcdefghijklmnop",
        "AWS = 'AKIA0123456789ABCDEF'",
        "OPENAI_API_KEY = 'sk-0123456789abcdefghijklmn'",
        'password: "correct-horse"',
    ],
)
def test_a_file_with_a_key_in_it_is_left_out(line: str) -> None:
    published = publish_diff(part("a.py", "x = 1") + part("b.py", line))
    assert published is not None and line not in published and "Left out: b.py" in published


@pytest.mark.parametrize(
    "line",
    [
        "token = tokenizer.encode(text)",
        "max_tokens = 1_000_000",
        "self.key = nn.Linear(768, 768)",
        "api_key = os.environ['OPENAI_API_KEY']",
        "pad_token = '<pad>'",
        "secret = None",
        "sk-learn is a package",
    ],
)
def test_ordinary_code_is_no_secret(line: str) -> None:
    assert publish_diff(part("train.py", line)) == part("train.py", line)


def test_a_binary_file_is_left_out_and_a_change_of_nothing_else_has_no_text() -> None:
    binary = "diff --git a/w.npy b/w.npy\nindex 1..2 100644\nBinary files a/w.npy and b/w.npy differ\n"
    assert publish_diff(part("a.py", "x") + binary) == f"Left out: w.npy (not text)\n{part('a.py', 'x')}"
    assert publish_diff(binary) is None
    assert publish_diff("a.py: its mode alone\n") is None


def test_a_longer_text_than_a_megabyte_is_not_published() -> None:
    assert publish_diff(part("a.py", "x" * (MOST_BYTES - 200))) is not None
    assert publish_diff(part("a.py", "x" * MOST_BYTES)) is None


def test_a_short_diff_is_shown_whatever_it_holds() -> None:
    shown = shown_diff(f"Left out: b (not text)\n{part('a.py', '````', chr(0x202E), chr(0xDCFF))}")
    assert shown[0] == "`````diff" and shown[-1] == "`````"
    assert shown[-4:-1] == ["+````", "+\\u202e", "+\\udcff"]
    assert shown_diff(part("a.py", *["x"] * 56))
    assert shown_diff(part("a.py", *["x"] * 57)) == []
