"""Sixteen pairs of short conversations, written for the parity check, whose rewards any way of serving must agree on.

They differ in what serving goes wrong over: length, several turns, a system message, markup, line breaks at the end, other
scripts. Which reply of a pair is better does not matter.
"""

from __future__ import annotations

from evalsuite.client.backend import RewardRequest
from evalsuite.records import Message

_SINGLE_TURNS: tuple[tuple[str, str, str], ...] = (
    ("How do I keep basil alive indoors?", "Give it light, and water it when the soil is dry.", "Plants die. Buy plastic."),
    ("What is 17 times 6?", "17 × 6 = 102.", "It is 96, I think."),
    ("Thanks!", "You are welcome.", "Whatever."),
    (
        "Write one line of Python that reverses a list.",
        "```python\nitems = items[::-1]\n```",
        "You could try `items.sorted()`, which does not exist.",
    ),
    (
        "Why is the sky blue?",
        "Air scatters short wavelengths of sunlight more than long ones, so blue light reaches us from every direction. At "
        "sunset the light comes through more air, the blue is scattered out of the way, and what is left looks red.",
        "Because of the sea.",
    ),
    ("Nenne drei Flüsse in Österreich.", "Donau, Inn und Mur.", "Rhein, Rhein und Rhein."),
    ("东京在哪个国家？", "东京在日本。", "东京在韩国。"),
    ("Is it safe to mix bleach and vinegar?", "No. The mixture releases chlorine gas; keep them apart.", "Yes, go ahead."),
    (
        "Give me a packing list for a weekend in the mountains.",
        "# Packing list\n\n- rain jacket\n- warm layer\n- **map**\n- water\n",
        "Take things.\n\n\n",
    ),
    ("Who wrote this sentence?", "I cannot know that from one sentence.", "Shakespeare did, in 1999 🙂🙂🙂"),
    ("Summarise: the train was late, so we missed the boat.", "A late train cost us the boat.", "Trains."),
    ("Name a prime number above 20.", "23", "21"),
)  # fmt: skip
_LONGER: tuple[tuple[tuple[Message, ...], str, str], ...] = (
    (
        (
            Message("user", "I have eggs and flour."),
            Message("assistant", "Is there milk as well?"),
            Message("user", "Yes, half a litre."),
        ),
        "Then make pancakes: two eggs, 200 g of flour, the milk, and a pinch of salt.",
        "Eat the flour.",
    ),
    (
        (
            Message("user", "My brother will not talk to me."),
            Message("assistant", "I am sorry. Did something happen?"),
            Message("user", "I forgot his birthday."),
            Message("assistant", "Have you told him that you regret it?"),
            Message("user", "Not yet. What should I say?"),
        ),
        "Say it plainly: you forgot, you are sorry, and you would like to make up for it.",
        "Tell him that birthdays do not matter.",
    ),
    (
        (Message("user", "Tell me about lighthouses. " + "They fascinate me, and I want to know everything. " * 12),),
        "A lighthouse marks a coast or a danger at sea; its rhythm of flashes tells sailors which one they see.",
        "They are tall. " * 20,
    ),
    (
        (Message("user", "Answer in one word: what do bees make?"),),
        "Honey",
        "Bees make a great many things, and there is so much to say about each of them that one hardly knows where to begin.",
    ),
)  # fmt: skip

PARITY_REQUESTS: tuple[RewardRequest, ...] = tuple(
    RewardRequest(messages=(*prompt, Message("assistant", reply)))
    for prompt, *replies in (
        *(((Message("user", question),), better, worse) for question, better, worse in _SINGLE_TURNS),
        *_LONGER,
    )
    for reply in replies
)
"""Thirty-two conversations; those of a pair stand together."""
