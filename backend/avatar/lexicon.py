# SPDX-License-Identifier: GPL-3.0-or-later
"""What words mean for a person: sliders that adjectives move, names of clothes, hair, parts, and what is no person."""

from __future__ import annotations

from backend.avatar.look import BEARDS, CLOTH, HAIR_STYLES

Moves = dict[str, float]

# Degrees multiply what an adjective does; a negation turns it round and halves it ("not tall" is rather short).
DEGREES: dict[str, float] = {
    "very": 1.6, "extremely": 1.9, "really": 1.5, "incredibly": 1.9, "super": 1.6, "so": 1.3, "too": 1.4, "quite": 0.8,
    "rather": 0.75, "fairly": 0.75, "pretty": 0.9, "slightly": 0.45, "somewhat": 0.55, "bit": 0.45, "little": 0.45,
    "mildly": 0.45, "moderately": 0.7, "enormously": 1.9, "exceptionally": 1.8, "unusually": 1.4, "remarkably": 1.5,
}  # fmt: skip
NEGATIONS = ("not", "no", "without", "never", "isn't", "neither", "nor", "hardly", "lacking", "n't")
NEGATED = -0.5

# What an adjective said of somebody moves: sliders of the body by their distance from the ordinary at degree 1.
BUILD: dict[str, Moves] = {
    "tall": {"height": 0.22}, "towering": {"height": 0.36}, "giant": {"height": 0.42},
    "lanky": {"height": 0.2, "weight": -0.25},
    "short": {"height": -0.22}, "small": {"height": -0.18}, "tiny": {"height": -0.36},
    "petite": {"height": -0.2, "weight": -0.15},
    "big": {"height": 0.12, "weight": 0.2, "muscle": 0.1}, "huge": {"height": 0.3, "weight": 0.2, "muscle": 0.15},
    "fat": {"weight": 0.5, "belly": 0.6, "face_width": 0.2},
    "obese": {"weight": 0.85, "belly": 1.0, "face_width": 0.3},
    "overweight": {"weight": 0.36, "belly": 0.4},
    "chubby": {"weight": 0.3, "belly": 0.35, "face_width": 0.3}, "plump": {"weight": 0.3, "belly": 0.3},
    "heavy": {"weight": 0.36, "belly": 0.3}, "stout": {"weight": 0.3, "height": -0.08, "belly": 0.35},
    "stocky": {"weight": 0.15, "height": -0.12, "shoulders": 0.3}, "curvy": {"hips": 0.5, "chest": 0.4, "waist": -0.3},
    "thin": {"weight": -0.28}, "slim": {"weight": -0.2}, "slender": {"weight": -0.22},
    "skinny": {"weight": -0.34, "muscle": -0.15},
    "lean": {"weight": -0.18, "muscle": 0.1}, "gaunt": {"weight": -0.36, "muscle": -0.2},
    "underweight": {"weight": -0.32},
    "muscular": {"muscle": 0.32, "shoulders": 0.25}, "strong": {"muscle": 0.25},
    "athletic": {"muscle": 0.2, "weight": -0.1},
    "buff": {"muscle": 0.36, "shoulders": 0.3}, "burly": {"muscle": 0.25, "weight": 0.2, "shoulders": 0.35},
    "brawny": {"muscle": 0.3, "shoulders": 0.3}, "fit": {"muscle": 0.15, "weight": -0.1},
    "ripped": {"muscle": 0.4, "weight": -0.1},
    "toned": {"muscle": 0.14}, "weak": {"muscle": -0.28}, "frail": {"muscle": -0.3, "weight": -0.2},
    "scrawny": {"muscle": -0.25, "weight": -0.28},
    "beefy": {"muscle": 0.28, "weight": 0.15}, "bulky": {"muscle": 0.25, "weight": 0.15},
    "sturdy": {"muscle": 0.15, "weight": 0.1},
}  # fmt: skip
# Words that say an age: the slider's value at degree 1; a degree moves it away from a young adult.
AGES: dict[str, float] = {
    "baby": 0.08, "newborn": 0.02, "infant": 0.08, "toddler": 0.2, "child": 0.36, "kid": 0.36, "boy": 0.40,
    "girl": 0.40,
    "teenage": 0.54, "teenager": 0.54, "teen": 0.54, "adolescent": 0.52, "young": 0.62, "youthful": 0.62, "adult": 0.7,
    "mature": 0.8, "middle-aged": 0.83, "aged": 0.94, "old": 0.95, "elderly": 0.97, "ancient": 1.0, "aging": 0.88,
    "grandmother": 0.97, "grandfather": 0.97, "grandma": 0.97, "grandpa": 0.97, "granny": 0.97, "senior": 0.94,
}  # fmt: skip
YOUNG_ADULT = 0.70
WOMEN = ("woman", "female", "lady", "girl", "she", "her", "mother", "mum", "mom", "grandmother", "grandma", "granny",
    "women",
         "daughter", "sister", "feminine", "actress", "waitress", "heroine", "gal", "wife", "nun", "priestess",
         "goddess",
         "firewoman", "policewoman", "businesswoman", "spacewoman", "cowgirl", "superheroine", "sorceress")  # fmt: skip
MEN = ("man", "male", "boy", "he", "his", "him", "father", "dad", "grandfather", "grandpa", "gentleman", "guy", "son",
       "brother", "masculine", "bloke", "men", "husband", "lad", "dude", "god", "fireman", "policeman", "spaceman",
       "cowboy",
       "strongman", "waiter", "actor", "hero")  # fmt: skip
PEOPLE = (*WOMEN, *MEN, "person", "human", "child", "kid", "baby", "toddler", "infant", "newborn", "teenager", "teen",
          "adult", "somebody", "someone", "figure", "character", "people", "adolescent", "senior", "individual",
          "avatar",
          "model", "citizen", "friend", "tourist", "waiter", "villager", "warrior", "player")  # fmt: skip

# Sizes said of a part of the body, and the sliders that are a part's size.
MORE = ("big", "large", "huge", "broad", "wide", "long", "strong", "massive", "prominent", "heavy", "enormous", "pot",
        "round", "full", "great", "square", "tall", "fat", "giant", "muscular", "curvy", "beer")  # fmt: skip
LESS = ("small", "little", "tiny", "narrow", "short", "flat", "slim", "slender", "weak", "thin", "skinny")
THICK = ("thick", "muscular", "strong", "fat", "chunky")
THIN = ("thin", "skinny", "slender", "slim")
PARTS: dict[str, str] = {
    "shoulders": "shoulders", "shoulder": "shoulders", "shouldered": "shoulders", "chest": "chest", "chested": "chest",
    "bust": "chest", "belly": "belly", "bellied": "belly", "stomach": "belly", "tummy": "belly", "gut": "belly",
    "paunch": "belly",
    "waist": "waist", "waisted": "waist", "hips": "hips", "hipped": "hips", "legs": "legs", "legged": "legs",
    "arms": "arms", "armed": "arms", "neck": "neck", "necked": "neck", "head": "head", "headed": "head", "nose": "nose",
    "nosed": "nose", "ears": "ears", "eared": "ears", "chin": "chin", "chinned": "chin", "jaw": "chin", "jawed": "chin",
    "hands": "hands", "handed": "hands", "feet": "feet", "footed": "feet", "face": "face_width", "faced": "face_width",
    "thighs": "thighs", "biceps": "upper_arms",
}  # fmt: skip
THICKNESS_OF = {"legs": "thighs", "arms": "upper_arms", "neck": "neck_width"}
PART_MOVE = 0.65  # of a local slider at degree 1
BELLIES = ("belly", "stomach", "tummy", "gut", "paunch")  # "a belly" alone means a big one

HAIR_WORDS: dict[str, str] = {
    "bald": "bald", "shaved": "buzz cut", "buzz cut": "buzz cut", "crew cut": "buzz cut", "short": "short",
    "cropped": "short",
    "tousled": "tousled", "messy": "tousled", "wild": "tousled", "curly": "afro", "bob": "bob", "long": "long",
    "flowing": "long",
    "ponytail": "ponytail", "pigtails": "braids", "braids": "braids", "plaits": "braids", "bun": "bun", "afro": "afro",
    "mohawk": "mohawk", "shoulder length": "bob", "medium": "bob",
}  # fmt: skip
HAIR_HEADS = ("hair", "haired", "hairdo", "hairstyle", "haircut")
HAIR_COLOUR_WORDS: dict[str, str] = {
    "black": "black", "dark": "dark brown", "brown": "brown", "brunette": "brown", "blond": "blond", "blonde": "blond",
    "golden": "blond", "fair": "blond", "red": "red", "ginger": "ginger", "redhead": "ginger", "orange": "ginger",
    "auburn": "red",
    "grey": "grey", "gray": "grey", "silver": "grey", "white": "white", "blue": "blue", "pink": "pink",
    "green": "green",
    "purple": "purple",
}  # fmt: skip
BEARD_WORDS: dict[str, str] = {
    "beard": "beard", "bearded": "beard", "moustache": "moustache", "mustache": "moustache", "stubble": "stubble",
    "goatee": "beard", "sideburns": "stubble", "unshaven": "stubble",
}  # fmt: skip
SKIN_WORDS: dict[str, str] = {
    "pale": "pale", "white": "pale", "fair": "fair", "light": "fair", "olive": "olive", "tanned": "tanned",
    "tan": "tanned",
    "brown": "brown", "dark": "dark", "black": "dark", "green": "green", "blue": "blue", "grey": "grey", "gray": "grey",
    "red": "red",
}  # fmt: skip
PEOPLES: dict[str, str] = {
    "african": "dark", "asian": "fair", "indian": "brown", "european": "fair", "hispanic": "tanned", "latino": "tanned",
    "latina": "tanned", "arab": "olive", "mediterranean": "olive", "scandinavian": "pale", "caucasian": "fair",
}  # fmt: skip

GARMENT_WORDS: dict[str, str] = {
    "t shirt": "t-shirt", "tshirt": "t-shirt", "tee": "t-shirt", "shirt": "shirt", "blouse": "shirt",
    "tank top": "tank top",
    "top": "t-shirt", "singlet": "tank top", "sweater": "sweater", "jumper": "sweater", "pullover": "sweater",
    "cardigan": "sweater", "hoodie": "hoodie", "sweatshirt": "hoodie", "jacket": "jacket", "coat": "jacket",
    "leather jacket": "leather jacket", "blazer": "suit jacket", "suit jacket": "suit jacket", "suit": "business suit",
    "tuxedo": "business suit", "business suit": "business suit", "vest": "vest", "waistcoat": "vest",
    "safety vest": "safety vest", "trousers": "trousers", "pants": "trousers", "slacks": "trousers",
    "chinos": "trousers",
    "jeans": "jeans", "denims": "jeans", "leggings": "leggings", "tights": "leggings", "shorts": "shorts",
    "skirt": "skirt",
    "miniskirt": "mini skirt", "mini skirt": "mini skirt", "long skirt": "long skirt", "kilt": "kilt", "dress": "dress",
    "gown": "gown", "evening gown": "gown", "long dress": "gown", "sundress": "dress", "robe": "robe", "robes": "robe",
    "cloak": "cape", "cape": "cape", "toga": "robe", "kimono": "robe", "dungarees": "dungarees", "overalls": "overalls",
    "boiler suit": "overalls", "jumpsuit": "overalls", "spacesuit": "spacesuit", "space suit": "spacesuit",
    "armour": "armour", "armor": "armour", "plate armour": "armour", "breastplate": "breastplate", "uniform": "uniform",
    "bodysuit": "suit", "catsuit": "suit", "swimsuit": "swimsuit", "swimming trunks": "shorts", "bikini": "bra",
    "apron": "apron", "lab coat": "coat tails", "white coat": "coat tails", "raincoat": "coat tails",
    "trench coat": "coat tails",
    "belt": "belt", "sash": "sash", "gloves": "gloves", "gauntlets": "gauntlets", "socks": "socks",
    "stockings": "socks",
    "shoes": "shoes", "heels": "shoes", "slippers": "shoes", "trainers": "trainers", "sneakers": "trainers",
    "boots": "boots", "tall boots": "tall boots", "knee boots": "tall boots", "sandals": "sandals",
    "flip flops": "sandals",
    "cap": "cap", "baseball cap": "cap", "hat": "hat", "fedora": "hat", "cowboy hat": "cowboy hat",
    "straw hat": "straw hat",
    "sun hat": "straw hat", "top hat": "top hat", "witch hat": "witch hat", "wizard hat": "wizard hat",
    "pointed hat": "wizard hat", "chef's hat": "chef's hat", "crown": "crown", "tiara": "crown", "beanie": "beanie",
    "woolly hat": "beanie", "hard hat": "hard hat", "helmet": "helmet", "space helmet": "space helmet", "hood": "hood",
    "pirate hat": "pirate hat", "police cap": "police cap", "fire helmet": "fire helmet",
    "knight's helmet": "knight's helmet",
    "glasses": "glasses", "spectacles": "glasses", "sunglasses": "sunglasses", "shades": "sunglasses",
    "headphones": "headphones", "scarf": "scarf", "tie": "tie", "necktie": "tie", "stethoscope": "stethoscope",
    "backpack": "backpack", "rucksack": "backpack", "bag": "backpack", "quiver": "quiver", "mask": "mask",
    "eye mask": "eye mask",
    "bandana": "bandana", "face mask": "surgical mask", "surgical mask": "surgical mask", "tutu": "tutu",
    "briefs": "briefs",
    "underwear": "briefs", "pauldrons": "pauldrons",
}  # fmt: skip
SLOTS: dict[str, tuple[str, ...]] = {
    "lower": ("trousers", "jeans", "leggings", "shorts", "skirt", "long skirt", "mini skirt", "kilt", "fire trousers",
    "briefs"),
    "whole": ("dress", "gown", "robe", "overalls", "spacesuit", "armour", "suit", "swimsuit", "tutu", "dungarees"),
    "upper": ("t-shirt", "tank top", "shirt", "sweater", "hoodie", "bra", "uniform"),
    "feet": ("shoes", "trainers", "boots", "tall boots", "sandals"),
    "legs": ("socks",),
    "outer": ("jacket", "leather jacket", "suit jacket", "vest", "safety vest", "fire coat", "breastplate",
    "coat tails"),
    "apron": ("apron",),
    "waist": ("belt", "sash"),
    "hands": ("gloves", "gauntlets"),
    "shoulders": ("pauldrons",),
    "neck": ("scarf", "tie", "stethoscope"),
    "back": ("backpack", "air tank", "quiver"),
    "cape": ("cape",),
    "face": ("mask", "bandana", "surgical mask"),
    "eyes": ("glasses", "sunglasses", "eye mask"),
    "head": ("cap", "police cap", "hat", "cowboy hat", "straw hat", "top hat", "witch hat", "wizard hat", "chef's hat",
             "crown", "beanie", "hard hat", "fire helmet", "helmet", "space helmet", "knight's helmet", "hood",
             "pirate hat"),
    "ears": ("headphones",),
}  # fmt: skip
SLOT_OF = {kind: slot for slot, kinds in SLOTS.items() for kind in kinds}
DEFAULT_COLOURS: dict[str, tuple[str, str]] = {
    "jeans": ("denim", "white"), "boots": ("brown", "white"), "tall boots": ("black", "white"),
    "shoes": ("black", "white"),
    "trainers": ("white", "red"), "sandals": ("brown", "white"), "armour": ("steel", "gold"), "crown": ("gold", "red"),
    "breastplate": ("steel", "gold"), "belt": ("brown", "gold"), "gloves": ("black", "white"),
    "gauntlets": ("steel", "white"),
    "spacesuit": ("white", "blue"), "space helmet": ("white", "white"), "glasses": ("black", "white"),
    "helmet": ("grey", "white"),
    "hard hat": ("yellow", "white"), "backpack": ("brown", "white"), "quiver": ("brown", "white"),
    "robe": ("brown", "gold"),
    "leather jacket": ("black", "white"), "coat tails": ("white", "white"), "shirt": ("white", "grey"),
    "apron": ("white", "white"),
    "straw hat": ("beige", "brown"), "cowboy hat": ("brown", "black"), "top hat": ("black", "red"),
    "uniform": ("navy", "silver"),
    "pauldrons": ("steel", "white"), "cape": ("red", "white"), "tie": ("red", "white"), "sash": ("red", "white"),
    "suit jacket": ("navy", "red"), "trousers": ("grey", "white"), "shorts": ("khaki", "white"),
    "dress": ("red", "white"),
    "knight's helmet": ("steel", "gold"), "safety vest": ("orange", "silver"), "mask": ("black", "white"),
}  # fmt: skip
PLAIN_COLOURS = ("blue", "white")
COLOUR_WORDS: dict[str, str] = {
    **{name: name for name in CLOTH}, "gray": "grey", "golden": "gold", "violet": "purple", "crimson": "red",
    "scarlet": "red",
    "teal": "turquoise", "cyan": "turquoise", "tan": "beige", "dark blue": "navy", "navy blue": "navy",
    "sky blue": "light blue",
    "rose": "pink", "magenta": "pink", "blonde": "beige", "dark red": "maroon", "light green": "lime",
    "dark brown": "brown",
    "dark grey": "grey", "silvery": "silver", "lilac": "purple", "pale blue": "light blue", "leather": "brown",
}  # fmt: skip
PATTERN_WORDS: dict[str, str] = {
    "striped": "striped", "stripy": "striped", "dotted": "dotted", "spotted": "dotted", "polka dot": "dotted",
    "chequered": "chequered", "checkered": "chequered", "checked": "chequered", "plaid": "chequered",
    "tartan": "chequered",
    "camouflage": "camouflage", "camo": "camouflage", "starry": "starry", "tie dye": "camouflage",
}  # fmt: skip
BARE: dict[str, str] = {"barefoot": "feet", "shirtless": "upper", "bareheaded": "head", "topless": "upper"}

CREATURES = ("dragon", "dog", "cat", "horse", "fox", "wolf", "bear", "bird", "fish", "snake", "spider", "lion",
    "tiger", "cow",
             "pig", "sheep", "rabbit", "bunny", "mouse", "rat", "frog", "dinosaur", "unicorn", "elephant", "octopus",
             "shark",
             "penguin", "puppy", "kitten",
             "pony", "owl", "chicken", "duck", "goat", "deer", "monkey", "gorilla", "crocodile", "turtle", "bee",
             "butterfly", "ant", "worm", "whale", "dolphin", "eagle", "parrot", "centaur", "mermaid", "griffin",
             "kraken", "insect", "creature", "animal", "monster", "slime")  # fmt: skip
THINGS = ("car", "chair", "table", "house", "tree", "mug", "cup", "lamp", "sword", "boat", "ship", "plane", "rocket",
    "castle",
          "flower", "mushroom", "apple", "cake", "bottle", "vase", "sofa", "bed", "truck", "bicycle", "tower", "guitar",
          "teapot", "building", "burger", "pizza", "ball", "box", "clock", "bench", "barrel", "snowman")  # fmt: skip
assert set(HAIR_WORDS.values()) <= set(HAIR_STYLES) and set(BEARD_WORDS.values()) <= set(BEARDS)
