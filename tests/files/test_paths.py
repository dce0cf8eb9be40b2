"""Folders as people have them: all in them is listed, or named."""

import os
import unicodedata
from pathlib import Path

import pytest

from gan_sntg.files.paths import Listing, as_read


@pytest.fixture
def inbox(tmp_path, monkeypatch) -> Path:
    """A folder of two files, one in a folder within, beside a store of two more; the present folder is the one of both."""
    monkeypatch.chdir(tmp_path)
    for name in "inbox/b.png", "inbox/deep/a.png", "store/c.png", "store/deep/d.png", "inbox/.hidden/e.png", "inbox/.f.png":
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return Path("inbox")


def names(listing: Listing) -> list[str]:
    return [str(path.relative_to(listing.folder)) for path in listing.files]


def test_files_are_listed_with_those_of_folders_within_by_name_and_without_hidden_ones(inbox):
    listing = Listing(inbox)
    assert names(listing) == ["b.png", "deep/a.png"] and listing.problems == listing.notes == []


def test_links_to_files_and_folders_are_followed(inbox):
    os.symlink("../store", inbox / "a_link")
    os.symlink("../store/c.png", inbox / "c.png")
    listing = Listing(inbox)
    assert names(listing) == ["a_link/c.png", "a_link/deep/d.png", "b.png", "c.png", "deep/a.png"] and listing.problems == []
    os.symlink("inbox", "link")
    assert names(Listing(Path("link"))) == names(listing)


@pytest.mark.parametrize(("link", "target"), [("deep/again", ".."), ("itself", "."), ("up", "../.."), ("other", "deep")])
def test_a_link_to_what_is_listed_or_holds_it_is_named_and_not_followed(inbox, link, target):
    os.symlink(target, inbox / link)
    listing = Listing(inbox)
    assert names(listing) == ["b.png", "deep/a.png"] and listing.problems == []
    assert len(listing.notes) == 1 and listing.notes[0].startswith(f"inbox/{link}: not followed, for it leads to ")


def test_folders_that_all_lead_to_each_other_are_each_listed_once(tmp_path):
    for name in "abcdefgh":
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").touch()
        for other in "abcdefgh":
            os.symlink(f"../{other}", tmp_path / name / f"to_{other}")
    listing = Listing(tmp_path)
    assert names(listing) == [f"{name}/{name}.png" for name in "abcdefgh"] and len(listing.notes) == 64


def test_links_to_nothing_and_links_in_a_circle_are_named(inbox):
    os.symlink("../.git/annex/gone.png", inbox / "gone.png")
    os.symlink("y", inbox / "x")
    os.symlink("x", inbox / "y")
    listing = Listing(inbox)
    assert names(listing) == ["b.png", "deep/a.png"] and len(listing.problems) == 3
    assert listing.problems[0] == "inbox/gone.png: a link to ../.git/annex/gone.png, which cannot be found"


def test_a_folder_that_may_not_be_read_is_named(inbox, monkeypatch):
    every = Path.iterdir

    def iterdir(path: Path):
        if path.name == "deep":
            raise PermissionError(13, "Permission denied")
        return every(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert Listing(inbox).problems == ["inbox/deep: a folder that cannot be listed (Permission denied), with all that is in it"]


def test_an_empty_folder_and_a_pipe_are_named_or_listed(inbox):
    (inbox / "empty").mkdir()
    os.mkfifo(inbox / "pipe")
    listing = Listing(inbox)
    assert listing.notes == ["inbox/empty: a folder with nothing in it"] and names(listing)[-1] == "pipe"


def test_names_are_compared_as_people_read_them():
    stored = [unicodedata.normalize(form, "Grüße  café ") for form in ("NFC", "NFD")]
    assert stored[0] != stored[1] and as_read(stored[0]) == as_read(stored[1]) == unicodedata.normalize("NFC", "Grüße café")
    assert as_read("Cat") != as_read("cat")
