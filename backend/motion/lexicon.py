# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for motions and manners: what people say, and the concept that is meant.

A concept is a short name that captions and prompts meet in. Phrases of several words count before single ones; words
are looked up in their plain form (`plain`), so that "hurled", "hurls" and "hurling" are all "hurl".
"""

from __future__ import annotations

import re
from functools import cache

CONCEPTS: dict[str, str] = {
    # getting about
    "walk": "walk, stroll, stride, pace, amble, saunter, wander, march, hike, go on foot, shuffle, trudge, roam, "
            "tread, stagger, strut, plod, promenade, wade, parade, lumber, swagger, move forward, come in, enter, go "
            "forward",
    "run": "run, sprint, dash, race, rush, charge, bolt, gallop, flee, hurry, run away",
    "jog": "jog, jogging, trot, lope",
    "sneak": "sneak, creep, tiptoe, tip toe, prowl, stealth, stealthy, stealthily, skulk, slink, steal past, crouch "
             "walk",
    "crawl": "crawl, all fours, hands and knees, creep on the floor, baby crawl",
    "jump": "jump, leap, hop, bound, bounce up, spring up, vault",
    "turn": "turn, turn around, rotate, spin, pivot, about face, face the other way, whirl, twirl, swivel, about "
            "turn",
    "backwards": "backwards, backward, step back, walk back, retreat, back away, back off, in reverse",
    "sidestep": "sidestep, side step, strafe, shuffle sideways, step to the side, step aside, walk sideways, "
                "sideways",
    "climb": "climb, ladder, scale a wall",
    "swim": "swim, swimming, float, paddle",
    "roll": "roll, tumble, somersault",
    "drive": "drive, steer, driving",
    # postures
    "idle": "idle, wait, stand, stand still, stay, rest, do nothing, breathe, breathing, pause, remain, loiter, "
            "relax, nothing in particular",
    "sit": "sit, sit down, seat, take a seat, lower onto a chair, sink into a chair, onto a chair, have a seat",
    "seated": "remain seated, stay seated, sit still, keep sitting, be seated, sit there, sit idle, sitting idle",
    "rise": "stand up, get up, rise, rise to feet, get to feet, from the chair, arise, get off the chair, sit exit",
    "squat": "squat, crouch, knee bend, deep knee bend, leg day, hunker, duck, crouch down",
    "kneel": "kneel, kneel down, go down on one knee, genuflect, one knee, kneeling",
    "lie": "lie, lie down, sleep, sleeping, nap, asleep",
    "fall": "fall, collapse, die, death, drop dead, knocked out, faint",
    # arms and head
    "wave": "wave, greet, hello, hi, say hello, say goodbye, goodbye, bye, farewell, greeting, hi there",
    "both": "both arms, two arms, both hands, two hands, signal for help, overhead",
    "point": "point, indicate, show the direction, finger at, show the way, point out",
    "reach": "reach, stretch a hand, grab high, top shelf, reach for, reach out, reach up, grasp, high above, grab",
    "nod": "nod, agree, say yes, yes, approve, approving, affirm, consent",
    "refuse": "shake head, shake his head, shake her head, shake their head, say no, no, disagree, refuse, deny, "
              "reject, disapprove, head shake",
    "look": "look around, search, scan, glance, check the surroundings, look left, look right, look about, observe, "
            "seek, look, watch, surroundings, spy",
    "bow": "bow, take a bow, curtsy, respect, bend in respect, bow down, obeisance",
    "bend": "bend, bend over, bend down, touch toes, touch your toes, fold forward, lean forward, stoop, at the "
            "waist",
    "clap": "clap, applaud, applause, ovation",
    "pray": "pray, prayer, worship, hands together, god, plead, beg",
    "cry": "cry, weep, sob, tears, bawl, wail, mourn, grieve",
    "eat": "eat, drink, munch, chew, bite, dine, soup, sandwich, spoon, feed, sip, have lunch, have dinner, meal, "
           "swallow",
    "salute": "salute, military greeting, attention",
    "shrug": "shrug, do not know, don't know, dunno, lift the shoulders, no idea, shoulders in doubt, who knows",
    "talk": "talk, speak, explain, conversation, chat, converse, discuss, tell, give a speech, lecture, gesticulate, "
            "say something, present",
    "argue": "argue, quarrel, scold, dispute, yell, shout, bicker, debate, jab the finger, complain, row, rage at",
    "cheer": "cheer, celebrate, celebration, excited, triumph, victory, winning, win, pump the fists, hooray, "
             "rejoice, fist pump, excitement",
    "raise": "raise arms, raise both arms, raise hands, hands up, arms up, lift arms, lift both arms, raise his "
             "arms, raise her arms, surrender, robbery, arms above head, lift hands",
    "stretch": "stretch, stretch out, limber up, yawn, extend the arms, loosen up, warm up, wake up",
    "crossed": "cross arms, cross the arms, arms crossed, fold arms, fold the arms, fold his arms, fold her arms, "
               "arms folded",
    "akimbo": "hands on hips, hand on hips, akimbo, hands on the hips",
    "think": "think, ponder, consider, wonder, hand on chin, hand on the chin, contemplate, muse, reflect, "
             "thoughtful",
    "push": "push, shove, press against, move a box, heave",
    "beckon": "beckon, come here, come closer, wave over, call over, summon, lure",
    "phone": "phone, telephone, text a friend, call someone on the phone",
    # force
    "punch": "punch, jab, box, boxing, hit, strike, fist, uppercut, hook, knock, beat up, fight with fists, cross "
             "punch, strike with fist",
    "kick": "kick, boot, soccer, football, leg strike, roundhouse, karate kick, kick a ball, karate",
    "throw": "throw, hurl, toss, pitch, fling, cast, chuck, lob, sling, throw a ball, throw a stone",
    "shoot": "shoot hoops, shoot basketball, basketball, shoot a ball, shoot a basket, jump shot, free throw, hoops",
    "gun": "pistol, gun, aim, reload, rifle, shoot",
    "sword": "sword, slash, fence, blade, parry, stab",
    "spell": "spell, cast a spell, magic, conjure, wizard",
    "block": "block, guard, defend, shield",
    "pick": "pick up, lift something, lift from the floor, grab from the floor, pick, collect, gather, from the "
            "floor, from the ground, pick something up",
    "fix": "fix, repair, work on, mend, tinker",
    "interact": "interact, use, operate, press a button, open a door, push a button",
    "hurt": "get hit, hurt, recoil, flinch, take damage, stumble",
    # exercise and art
    "dance": "dance, boogie, groove, party, disco, ballet, samba, dance moves, move to the music, dance floor, "
             "breakdance",
    "jacks": "jumping jack, star jump, jumping jacks, star jumps",
    "pushup": "push up, press up, pushup",
    "backflip": "backflip, back flip, flip, salto",
    "meditate": "meditate, yoga, lotus, zen",
    "dizzy": "dizzy, giddy, vertigo",
    # creatures
    "slither": "slither, wriggle, snake along, glide like a snake, undulate",
    "fly": "fly, flap, flap wings, soar, hover, glide, flutter",
}

MANNER_WORDS: dict[str, str] = {
    "fast": "fast, quick, quickly, rapid, rapidly, swift, swiftly, hurried, hastily, brisk, briskly, speedy, "
            "energetic, energetically, lively, frantically, frantic, vigorous, vigorously",
    "slow": "slow, slowly, leisurely, gentle, gently, calm, calmly, unhurried, relaxed, casually, casual, lazily, "
            "lazy, easy",
    "tired": "tired, tiredly, exhausted, weary, wearily, sleepy, fatigued, worn out, drained, trudge, plod",
    "sad": "sad, sadly, depressed, gloomy, unhappy, dejected, mournful, heartbroken, sorrowful, lonely, disappointed",
    "sneaky": "sneaky, sneakily, stealthy, stealthily, secretly, quietly, furtive, furtively, sneak, prowl",
    "proud": "proud, proudly, haughty, triumphant, majestic, noble, royal, king, queen, strut, march, soldier, "
             "heroic",
    "happy": "happy, happily, cheerful, cheerfully, joyful, joyfully, merry, merrily, bouncy, glad, gladly, excited, "
             "excitedly, skipping, playful, playfully",
    "drunk": "drunk, drunken, drunkenly, tipsy, wobbly, dizzy, stagger, staggering, reeling, unsteady, unsteadily",
    "old": "old, elderly, aged, frail, grandmother, grandfather, granny, grandpa, shuffle, ancient, senior",
    "angry": "angry, angrily, furious, furiously, mad, aggressive, aggressively, enraged, stomp, stomping, irate, "
             "grumpy",
    "scared": "scared, afraid, frightened, fearful, fearfully, nervous, nervously, anxious, anxiously, terrified, "
              "timid",
    "heavy": "heavy, heavily, fat, giant, lumbering, lumber, obese, clumsy, clumsily, massive, monster, troll, ogre, "
             "bear",
    "light": "light, lightly, fairy, airy, nimble, nimbly, weightless",
    "robotic": "robot, robotic, mechanical, mechanically, android, machine, robotically",
    "elegant": "elegant, elegantly, graceful, gracefully, catwalk, model, dancer, refined, ladylike, princess",
    "sexy": "sexy, sassy, seductive, hips swinging, swaying hips",
    "confident": "confident, confidently, bold, boldly, determined, purposeful, swagger, brave, bravely, firm, "
                 "firmly, steady",
    "shy": "shy, shyly, bashful, timidly, modest, modestly, humble, humbly, embarrassed, politely, polite",
    "limping": "limp, limping, injured, wounded, hurt leg, lame, hobble, hobbling",
    "stiff": "stiff, stiffly, rigid, rigidly, tense",
    "zombie": "zombie, undead, mummy, lurching",
    "crouched": "crouched, crouching, ducked, hunched, bent low",
    "big": "big, large, huge, wide, exaggerated, dramatic, dramatically, wildly, strong, strongly, high, "
           "enthusiastically, enthusiastic, forcefully, deep, deeply",
    "small": "small, little, subtle, subtly, slight, slightly, tiny, restrained, a bit",
    "tiptoe": "tiptoe, tip toe, on toes, on tiptoes, tippy toes",
}

IRREGULAR = {
    "ran": "run", "sat": "sit", "stood": "stand", "knelt": "kneel", "bent": "bend", "shook": "shake",
    "shaken": "shake", "fought": "fight", "crept": "creep", "threw": "throw", "thrown": "throw", "swam": "swim",
    "wept": "weep", "ate": "eat", "eaten": "eat", "drank": "drink", "slept": "sleep", "fell": "fall", "fallen": "fall",
    "spoke": "speak", "flew": "fly", "went": "go", "gone": "go", "came": "come", "gave": "give", "took": "take",
    "hid": "hide", "fled": "flee", "rose": "rise", "risen": "rise", "dying": "die", "lying": "lie", "lay": "lie",
    "spun": "spin", "sprang": "spring", "trod": "tread", "leapt": "leap", "slunk": "slink", "drove": "drive",
    "hung": "hang", "held": "hold", "tied": "tie", "toes": "toe", "knees": "knee", "arms": "arm", "hands": "hand",
    "men": "man", "women": "woman", "children": "child", "hips": "hip", "shoulders": "shoulder", "tears": "tear",
    "is": "be", "are": "be", "was": "be", "fours": "four", "eyes": "eye", "feet": "foot", "fists": "fist",
    "jacks": "jack", "jumps": "jump", "has": "have", "does": "do", "goes": "go", "shoes": "shoe", "ceases": "cease",
}
VOWELS = "aeiouy"


@cache
def plain(word: str) -> str:
    """The plain form of an English word: without -s, -ed, -ing, doubled letters undone."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    for ending in ("ing", "ed"):
        stem = word[: -len(ending)]
        if word.endswith(ending) and len(stem) >= 2 and any(letter in VOWELS for letter in stem):
            if len(stem) > 2 and stem[-1] == stem[-2] and stem[-1] not in "sl":
                return stem[:-1]
            if stem.endswith("i") and ending == "ed":
                return stem[:-1] + "y"
            if ending == "ed" and word in ("tired", "naked", "wicked", "crooked"):
                return word
            return stem
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def stem(word: str) -> str:
    """A plain form without its last e, so that "dance" and "danc(ing)" are one."""
    word = plain(word)
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def tokens(text: str) -> list[str]:
    """Stems of the words of a text, in order; names such as Jog_Fwd_Loop or SwordSlash come apart."""
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", text).replace("'t", "t")
    text = text.replace("dont", "do not")
    return [stem(word) for word in re.findall(r"[a-z]+|\d+(?:\.\d+)?", text.lower().replace("_", " "))]


Phrases = dict[tuple[str, ...], frozenset[str]]


@cache
def phrases(manners: bool = False) -> Phrases:
    """Every phrase as stems without fillers, with the concepts (or manner words) that it stands for."""
    table: dict[tuple[str, ...], set[str]] = {}
    for concept, listed in (MANNER_WORDS if manners else CONCEPTS).items():
        for phrase in listed.split(","):
            table.setdefault(tuple(word for word in tokens(phrase) if word not in FILLERS), set()).add(concept)
    return {key: frozenset(value) for key, value in table.items() if key}


def found(words: list[str], manners: bool = False) -> list[tuple[int, int, frozenset[str]]]:
    """(begin, end, concepts) of the phrases in a list of stems, longest first, none inside another. Fillers (a, the,
    his, ...) between the words of a phrase are passed over."""
    table = phrases(manners)
    longest = max(len(key) for key in table)
    spans: list[tuple[int, int, frozenset[str]]] = []
    place = 0
    while place < len(words):
        best: tuple[int, frozenset[str]] | None = None
        read: list[str] = []
        end = place
        while end < len(words) and len(read) < longest and words[place] not in FILLERS:
            if words[end] not in FILLERS:
                read.append(words[end])
                if tuple(read) in table:
                    best = (end + 1, table[tuple(read)])
            end += 1
        if best is not None:
            spans.append((place, *best))
            place = best[0]
        else:
            place += 1
    return spans


FILLERS = frozenset(stem(word) for word in (
    "a", "an", "the", "his", "her", "their", "its", "my", "your", "our", "some", "someone", "somebody", "it", "them",
    "him", "himself", "herself", "themselves", "itself", "yourself", "myself", "he", "she", "they",
))
