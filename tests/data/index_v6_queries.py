"""What `index_v6.py` writes on photos, and what it searches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PHOTOS, TRIP = Path("/srv/photos"), Path("/media/trip")  # two folders

NOTES = {
    "2019/beach/COCO_train2014_000000000009.jpg": "Oma's lunch box, Łódź 🎂",
    "2019/beach/COCO_train2014_000000000025.jpg": "the two giraffes from the zoo trip with Rosa",
    "2019/beach/COCO_train2014_000000000030.jpg": "Tischdekoration für die Straßenfeier",
    "2020/COCO_train2014_000000037932.jpg": "my old bicycle, stolen in 2021",
    "2020/COCO_train2014_000000037944.jpg": "东京的猫 sleeping on the sofa",
    "2020/COCO_train2014_000000037968.jpg": "bus 38 to Hackney",
    "Freunde & Familie/COCO_train2014_000000038226.jpg": "Anna and Bob\nsecond line: red car",
}

QUERIES: list[dict[str, Any]] = [
    {"text": text, "rank": rank}
    for text in (
        "two giraffes",
        "a plane flying in the sky",
        "a bus in the street",
        "people at a table with food",
        "dog",
        "red car",
        "cat sleeping on a sofa",
        "bicycle stolen",
        "Rosa",
        "strasse lodz",
        "nothing like this exists zyxwv",
    )
    for rank in ("hybrid", "vector", "words")
]
QUERIES += [
    {"text": text}
    for text in (
        "person>=3",
        "people>=3 outdoors",
        "dogs",
        "animal:",
        "traffic light>=1",
        "car<=1 street",
        "cars>=2 -person",
        "-people",
        "topic:sports",
        "topic:food dinner",
        'topic:"travel & adventure"',
        "-topic:diaries",
        "has:note",
        "has:note giraffe",
        "has:caption after:2019-06",
        "has:objects before:2019-03",
        "has:topics",
        "has:gps",
        "-has:gps bus",
        "after:2019 before:2020",
        "on:2019-10",
        "name:000000037",
        "name:*0000009.jpg",
        "in:beach",
        "in:/srv/photos/2020 person",
        "is:offline",
        "is:offline person",
        "format:png",
        "camera:canon",
        "-format:jpeg",
        '"red car"',
        '"in the street"',
        "2:beach sunset -1:people",
        "东京",
        "🎂",
        "img 37932",
        "beach 2019",
        "Freunde",
        "unicorn>=2",
        "elephants!=0",
        "giraffe:",
        "person>=1 person<=2 has:date",
    )
]
QUERIES += [
    {"text": "person", "away": ["a car in the street"]},
    {"text": "person", "away": ["a car in the street"], "rank": "words"},
    {"text": "food", "apart": True},
    {"text": "a dog", "minimum": "fair"},
    {"text": "a train", "minimum": "strong"},
    {"text": "animals", "k": 200},
    {"text": "street", "k": 3},
    {"text": "giraffe", "filters": [["topic", "animals"], ["has", "objects"]]},
    {"text": "", "filters": [["after", "2019"]]},
    {"like": "/srv/photos/2019/beach/COCO_train2014_000000000025.jpg"},
    {"like": "/srv/photos/2020/COCO_train2014_000000037932.jpg", "text": "in the snow"},
    {"like": "/srv/photos/copies/copy.jpg", "text": "person>=1"},
    {"like": "/srv/photos/copies/again.jpg"},
]

TOPIC_WORDS = {
    "sports": ("ball", "bat", "glove", "racket", "ski", "surfboard", "skateboard", "frisbee", "kite"),
    "food_&_dining": ("pizza", "bowl", "cup", "cake", "fork", "dining", "banana", "apple", "broccoli"),
    "travel_&_adventure": ("plane", "train", "boat", "bus", "suitcase"),
    "animals": ("giraffe", "dog", "cat", "horse", "elephant", "bear", "zebra", "cow", "sheep", "bird"),
}
COLOURS = ("red", "blue", "white", "green", "old", "small")
GROUNDS = (
    "in front of a house",
    "on a beach",
    "in the street",
    "on a field",
    "at a table",
    "under a cloudy sky",
)
