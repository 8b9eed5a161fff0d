"""A `.nomedia` that comes and goes while the daemon watches."""

from waiting import until

from testbed.small_pngs import write_picture


def test_a_nomedia_hides_a_folder_and_those_below_it_until_it_is_removed(home, daemon):
    private = home.photos / "private"
    (private / "deeper").mkdir(parents=True)
    for number, folder in enumerate((home.photos, private, private / "deeper")):
        write_picture(folder / f"{number}.png", number)
    until(lambda: len(home.indexed()) == 3)
    with home.index() as store:
        photo = store.photos.find(bytes(private / "deeper" / "2.png"))
        store.results.write_note(photo.content, "ours")
    (private / ".nomedia").touch()
    until(lambda: len(home.indexed()) == 1)
    write_picture(private / "deeper" / "3.png", 3)  # what comes meanwhile is passed over too
    write_picture(home.photos / "4.png", 4)
    until(lambda: len(home.indexed()) == 2)
    status = home.imgret("status", "--skipped")
    assert status.returncode == 0
    assert b"1 folder: contains a .nomedia file" in status.stdout
    (private / ".nomedia").unlink()
    until(lambda: len(home.indexed()) == 5)
    with home.index() as store:
        photo = store.photos.find(bytes(private / "deeper" / "2.png"))
        assert store.results.note(photo.content) == "ours"
