# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded prior's words in the other languages that the panel speaks, and as emoji; `wording` reads prompts by it.

Only what the prior knows stands here: a kind, colour or pattern has its plain English name, so that a word which is
added to the prior's vocabulary is added here beside it.
"""

from __future__ import annotations

GERMAN_THINGS = {
    "stuhl": "chair", "sessel": "armchair", "tisch": "table", "hocker": "stool", "bett": "bed", "lampe": "lamp",
    "tasse": "mug", "becher": "mug", "vase": "vase", "schüssel": "bowl", "schale": "bowl", "flasche": "bottle",
    "teekanne": "teapot", "kanne": "teapot", "eimer": "bucket", "fass": "barrel", "tonne": "barrel", "pilz": "mushroom",
    "fliegenpilz": "mushroom", "baum": "tree", "tanne": "pine tree", "tannenbaum": "pine tree", "kiefer": "pine tree",
    "weihnachtsbaum": "pine tree", "kaktus": "cactus", "blume": "flower", "apfel": "apple", "kuchen": "cake",
    "torte": "cake", "eis": "ice cream", "eistüte": "ice cream", "donut": "donut", "karotte": "carrot",
    "möhre": "carrot", "kürbis": "pumpkin", "auto": "car", "bus": "bus", "boot": "boat", "segelboot": "boat",
    "schiff": "boat", "rakete": "rocket", "flugzeug": "aeroplane", "haus": "house", "turm": "castle tower",
    "burgturm": "castle tower", "windmühle": "windmill", "mühle": "windmill", "zelt": "tent", "katze": "cat",
    "kater": "cat", "hase": "rabbit", "kaninchen": "rabbit", "ente": "duck", "fisch": "fish", "schnecke": "snail",
    "schildkröte": "turtle", "roboter": "robot", "schneemann": "snowman", "hut": "hat", "zylinder": "top hat",
    "krone": "crown", "hammer": "hammer", "schwert": "sword", "schlüssel": "key", "truhe": "chest",
    "schatztruhe": "chest", "kiste": "chest", "ball": "ball", "kugel": "ball", "kerze": "candle", "schirm": "umbrella",
    "regenschirm": "umbrella", "buch": "book",
}
GERMAN_WORDS = {
    "rot": "red", "orange": "orange", "orangefarben": "orange", "gelb": "yellow", "grün": "green",
    "dunkelgrün": "dark green", "hellblau": "light blue", "himmelblau": "light blue", "blau": "blue", "lila": "purple",
    "violett": "purple", "rosa": "pink", "pink": "pink", "braun": "brown", "weiß": "white", "weiss": "white",
    "grau": "grey", "schwarz": "black", "türkis": "turquoise", "türkisfarben": "turquoise", "beige": "beige",
    "gestreift": "striped", "gepunktet": "dotted", "getupft": "dotted", "kariert": "checkered", "glasiert": "glazed",
    "bemoost": "mossy", "moosig": "mossy", "hölzern": "wooden", "golden": "golden", "steinern": "stone",
    "rostig": "rusty", "verschneit": "snowy", "silbern": "silver", "regenbogenfarben": "rainbow",
    "streifen": "stripes", "punkt": "dots", "tupfen": "dots", "fleck": "spots", "karo": "checks", "holz": "wood",
    "gold": "gold", "silber": "silver", "stein": "stone", "ziegel": "bricks", "marmor": "marble", "moos": "moss",
    "mann": "man", "frau": "woman", "mädchen": "girl", "junge": "boy",
    "hoch": "tall", "hoh": "tall", "groß": "tall", "gross": "tall", "schlank": "slender", "dünn": "thin",
    "klein": "small", "niedrig": "squat", "breit": "wide", "dick": "fat", "kurz": "short",
    "ein": "a", "der": "the", "die": "the", "das": "the", "den": "the", "dem": "the", "mit": "with", "auf": "on",
    "neben": "next to", "und": "and", "aus": "made of", "trägt": "wearing", "tragend": "wearing",
}
GERMAN_MATERIALS = {"holz": "wooden", "gold": "golden", "stein": "stone", "silber": "silver", "marmor": "marble"}
"""What German puts before the thing: Holzstuhl."""
GERMAN_ENDINGS = ("", "e", "n", "s", "er", "es", "en", "em", "ern")
ENGLISH_ONLY = frozenset(("a", "the", "with", "of", "on", "and", "made", "next", "wearing"))
"""A prompt that says one of these is English, whatever its other words are in German (rot, hut)."""

CHINESE_THINGS = {
    "椅子": "chair", "椅": "chair", "扶手椅": "armchair", "沙发": "armchair", "桌子": "table", "桌": "table",
    "凳子": "stool", "床": "bed", "台灯": "lamp", "灯": "lamp", "杯子": "mug", "马克杯": "mug", "杯": "mug",
    "花瓶": "vase", "碗": "bowl", "瓶子": "bottle", "瓶": "bottle", "茶壶": "teapot", "水桶": "bucket", "桶": "bucket",
    "木桶": "barrel", "蘑菇": "mushroom", "大树": "tree", "树": "tree", "松树": "pine tree", "圣诞树": "pine tree",
    "仙人掌": "cactus", "花朵": "flower", "花": "flower", "苹果": "apple", "蛋糕": "cake", "冰淇淋": "ice cream",
    "冰激凌": "ice cream", "甜甜圈": "donut", "胡萝卜": "carrot", "南瓜": "pumpkin", "小汽车": "car", "汽车": "car",
    "车": "car", "公交车": "bus", "公共汽车": "bus", "巴士": "bus", "帆船": "boat", "小船": "boat", "船": "boat",
    "火箭": "rocket", "飞机": "aeroplane", "房子": "house", "房屋": "house", "城堡": "castle tower",
    "塔": "castle tower", "塔楼": "castle tower", "风车": "windmill", "帐篷": "tent", "小猫": "cat", "猫": "cat",
    "兔子": "rabbit", "兔": "rabbit", "鸭子": "duck", "鸭": "duck", "金鱼": "fish", "鱼": "fish", "蜗牛": "snail",
    "乌龟": "turtle", "海龟": "turtle", "机器人": "robot", "雪人": "snowman", "帽子": "hat", "帽": "hat",
    "礼帽": "top hat", "皇冠": "crown", "王冠": "crown", "锤子": "hammer", "剑": "sword", "钥匙": "key",
    "宝箱": "chest", "箱子": "chest", "皮球": "ball", "球": "ball", "蜡烛": "candle", "雨伞": "umbrella",
    "伞": "umbrella", "书本": "book", "书": "book",
}
CHINESE_WORDS = {
    "红": "red", "橙": "orange", "橘": "orange", "黄": "yellow", "绿": "green", "深绿": "dark green",
    "墨绿": "dark green", "浅蓝": "light blue", "天蓝": "light blue", "蓝": "blue", "紫": "purple", "粉红": "pink",
    "粉": "pink", "棕": "brown", "褐": "brown", "咖啡色": "brown", "白": "white", "灰": "grey", "黑": "black",
    "青绿": "turquoise", "青": "turquoise", "米": "beige", "金": "golden", "银": "silver", "生锈": "rusty",
    "木制": "wooden", "木头": "wooden", "木": "wooden", "石头": "stone", "石": "stone", "砖": "brick",
    "大理石": "marble", "彩虹": "rainbow", "上釉": "glazed", "长满苔藓": "mossy", "苔藓": "mossy", "积雪": "snowy",
    "条纹": "striped", "圆点": "dotted", "斑点": "dotted", "波点": "dotted", "格子": "checkered",
    "男人": "man", "女人": "woman", "女孩": "girl", "男孩": "boy",
    "高": "tall", "细长": "slender", "小": "small", "矮": "squat", "胖": "fat",
}
CHINESE_NOUNS = {"striped": "stripes", "dotted": "dots", "checkered": "checks"}
"""What a pattern is called behind `with`."""
CHINESE_SILENT = "一个把只张朵本辆艘架座顶棵条支盏栋件块台根颗枚匹头色的了很大"
"""Numerals, measure words and particles that English has no word for."""

EMOJI = {
    "🪑": "chair", "🛋": "armchair", "🛏": "bed", "💡": "lamp", "☕": "mug", "🏺": "vase", "🥣": "bowl", "🍾": "bottle",
    "🫖": "teapot", "🪣": "bucket", "🛢": "barrel", "🍄": "mushroom", "🌳": "tree", "🌲": "pine tree", "🎄": "pine tree",
    "🌵": "cactus", "🌼": "flower", "🌸": "flower", "🍎": "apple", "🍏": "green apple", "🎂": "cake", "🍰": "cake",
    "🍦": "ice cream", "🍨": "ice cream", "🍩": "donut", "🥕": "carrot", "🎃": "pumpkin", "🚗": "car", "🚙": "car",
    "🚌": "bus", "⛵": "boat", "🚀": "rocket", "✈": "aeroplane", "🏠": "house", "🏡": "house", "🏰": "castle tower",
    "⛺": "tent", "🐱": "cat", "🐈": "cat", "🐰": "rabbit", "🐇": "rabbit", "🦆": "duck", "🐟": "fish", "🐠": "fish",
    "🐌": "snail", "🐢": "turtle", "🤖": "robot", "⛄": "snowman", "☃": "snowman", "👒": "hat", "🎩": "top hat",
    "👑": "crown", "🔨": "hammer", "🗡": "sword", "🔑": "key", "🗝": "key", "⚽": "ball", "🕯": "candle", "☂": "umbrella",
    "☔": "umbrella", "📕": "red book", "📗": "green book", "📘": "blue book", "📖": "book",
}
EMOJI_COLOURS = {
    "🔴": "red", "🟥": "red", "🟠": "orange", "🟧": "orange", "🟡": "yellow", "🟨": "yellow", "🟢": "green",
    "🟩": "green", "🔵": "blue", "🟦": "blue", "🟣": "purple", "🟪": "purple", "🟤": "brown", "🟫": "brown",
    "⚫": "black", "⬛": "black", "⚪": "white", "⬜": "white", "🌈": "rainbow",
}
