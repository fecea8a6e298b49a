# SPDX-License-Identifier: GPL-3.0-or-later
"""German: every sentence of the interface, by its English one. {places} stay as they are."""

TEXTS = {
    "1024 x 1024 pixels": "1024 x 1024 Pixel",
    "2048 x 2048 pixels": "2048 x 2048 Pixel",
    "3D Cursor": "3D-Cursor",
    "4096 x 4096 pixels": "4096 x 4096 Pixel",
    "512 x 512 pixels": "512 x 512 Pixel",
    "A collection of its own, made when it is missing": "Eine eigene Sammlung, die angelegt wird, wenn sie fehlt",
    "A new UV map beside the others": "Eine neue UV-Karte neben den anderen",
    "A picture that says what is meant better than words": "Ein Bild, das besser als Worte sagt, was gemeint ist",
    "a red mushroom with white spots": "ein roter Pilz mit weißen Punkten (auf Englisch)",
    "A ring of views around the object": "Ein Ring von Ansichten um das Objekt",
    "A text block to take the prompt from in place of the field, for long prompts of several lines":
        "Ein Textblock, aus dem die Beschreibung statt aus dem Feld kommt, für lange mit mehreren Zeilen",
    "About {time}": "Etwa {time}",
    "Active": "Aktive",
    "Active Map": "Aktive Karte",
    "Address of a hub without keys, as host:port. Empty: the add-on starts its own":
        "Adresse eines Hubs ohne Schlüssel als Rechner:Port. Leer: das Add-on startet seinen eigenen",
    "Advanced": "Erweitert",
    "All around at one height": "Rundherum auf einer Höhe",
    "All cameras of one collection": "Alle Kameras einer Sammlung",
    "All cameras of the scene": "Alle Kameras der Szene",
    "Arrangement": "Anordnung",
    "As Needed": "Nach Bedarf",
    "As Preset": "Wie Voreinstellung",
    "Ask for one that `maquette keys pair` made for you.":
        "Um eine bitten, die `maquette keys pair` für Sie gemacht hat.",
    "Ask for the same once more: same prompt, same settings, same seed":
        "Dasselbe noch einmal verlangen: gleiche Beschreibung, Einstellungen, gleicher Startwert",
    "Ask for the same with another seed": "Dasselbe mit einem anderen Startwert verlangen",
    "Asset Library": "Asset-Bibliothek",
    "Avoid": "Vermeiden",
    "Backend of This Machine": "Backend dieses Rechners",
    "Blender could not take the result: {0}": "Blender konnte das Ergebnis nicht übernehmen: {0}",
    "Blender is set to work offline, and pip has to fetch packages.":
        "Blender soll ohne Netz arbeiten, aber pip muss Pakete holen.",
    "Blender is set to work offline, so Maquette does not contact another machine.":
        "Blender soll ohne Netz arbeiten, darum spricht Maquette keinen anderen Rechner an.",
    "Box": "Quader",
    "Bring into the Scene": "In die Szene holen",
    "busy": "beschäftigt",
    "Call this from a 3D viewport": "Das geht nur in einer 3D-Ansicht",
    "Cameras": "Kameras",
    "Cameras names no perspective camera.": "Unter Kameras ist keine perspektivische.",
    "Cancel": "Abbrechen",
    "cancelled": "abgebrochen",
    "cancelling": "wird abgebrochen",
    "carry over": "überträgt die Form",
    "Choose another one in the preferences.": "Eine andere in den Einstellungen wählen.",
    "Choose Prior": "Bildmodell wählen",
    "Choose some under Cameras.": "Unter Kameras welche wählen.",
    "Choose the folder of an image model in the format of diffusers":
        "Den Ordner eines Bildmodells im Format von diffusers wählen",
    "Choose the python of the environment that build.py made, in the add-on's preferences.":
        "In den Einstellungen des Add-ons das Python der Umgebung wählen, die build.py gemacht hat.",
    "coarse": "grobe Form",
    "Collection": "Sammlung",
    "Connect": "Verbinden",
    "Connect to the hub, or start the one of this machine. Running jobs are taken up again":
        "Mit dem Hub verbinden oder den dieses Rechners starten. Laufende Aufträge werden wieder aufgenommen",
    "connected": "verbunden",
    "connecting": "verbindet",
    "Connection": "Verbindung",
    "Continue": "Fortsetzen",
    "Copy the active object into an asset library, with preview, tags and a catalogue":
        "Das aktive Objekt in eine Asset-Bibliothek kopieren, mit Vorschau, Schlagwörtern und Katalog",
    "Correct Source.": "Quelle berichtigen.",
    "Count": "Anzahl",
    "Delete from History": "Aus dem Verlauf löschen",
    "Delete the environment that was installed from here. Jobs and history stay":
        "Die von hier installierte Umgebung löschen. Aufträge und Verlauf bleiben",
    "deliver": "liefert ab",
    "Disconnect": "Trennen",
    "Disk space for results that can be brought back without the hub; the oldest are deleted":
        "Platz für Ergebnisse, die sich ohne den Hub zurückholen lassen; die ältesten werden gelöscht",
    "done": "fertig",
    "Draft": "Entwurf",
    "Draw a new seed whenever Generate is pressed. The seed that was used stays in the field":
        "Bei jedem Erzeugen einen neuen Startwert ziehen. Der benutzte bleibt im Feld",
    "Draw another seed": "Einen anderen Startwert ziehen",
    "Effort": "Aufwand",
    "Elevation": "Höhenwinkel",
    "End this job. Other jobs go on": "Diesen Auftrag beenden. Andere laufen weiter",
    "Evenly over the upper half": "Gleichmäßig über die obere Hälfte",
    "failed": "fehlgeschlagen",
    "fetching the result": "Ergebnis wird geholt",
    "File": "Datei",
    "fine": "feine Form",
    "finish": "stellt fertig",
    "Folder or id of the image model that judges the object. Empty: the one that comes with Maquette":
        "Ordner oder Kennung des Bildmodells, das das Objekt beurteilt. Leer: das mitgelieferte",
    "Forget Pairing": "Kopplung vergessen",
    "Forget the studio's hub and its key; the hub of this machine is used again":
        "Den Hub des Studios und seinen Schlüssel vergessen; der dieses Rechners wird wieder benutzt",
    "From View": "Aus der Ansicht",
    "From where the object is looked at": "Von wo das Objekt angesehen wird",
    "Front, right, back, left, top, bottom": "Vorn, rechts, hinten, links, oben, unten",
    "Generate": "Erzeugen",
    "Generate it again; if that ends the same way, the hub and the add-on may differ in version.":
        "Noch einmal erzeugen; endet das ebenso, haben Hub und Add-on vielleicht verschiedene Versionen.",
    "Go On with Running Jobs": "Laufende Aufträge fortsetzen",
    "Height of the ring of cameras above the horizon": "Höhe des Kamerarings über dem Horizont",
    "Hemisphere": "Halbkugel",
    "History": "Verlauf",
    "How many cameras are placed": "Wie viele Kameras aufgestellt werden",
    "How much time and detail": "Wie viel Zeit und Einzelheiten",
    "Hub": "Hub",
    "Hub in the add-on's preferences wants host:port, for example 10.0.0.5:5570.":
        "Hub in den Einstellungen des Add-ons will Rechner:Port, zum Beispiel 10.0.0.5:5570.",
    "Hub of the Studio": "Hub des Studios",
    "hub without keys": "Hub ohne Schlüssel",
    "Id of the job": "Kennung des Auftrags",
    "Id of the job; empty for the newest": "Kennung des Auftrags; leer: der neueste",
    "Install Backend": "Backend installieren",
    (
        "Install it from the add-on's preferences, set Python there to one that has it, or paste the pairing "
        "string of your studio's hub."
    ):
        (
            "Es aus den Einstellungen des Add-ons installieren, dort Python auf eines setzen, das es hat, oder "
            "die Kopplungszeile des Studio-Hubs einfügen."
        ),
    "Install one of these, or use a newer Blender.": "Eines davon installieren oder ein neueres Blender benutzen.",
    "installed": "installiert",
    "Installed: {path}": "Installiert: {path}",
    "installing Maquette": "installiert Maquette",
    "installing the sentence encoder": "installiert den Satzkodierer",
    "installing torch": "installiert torch",
    "It can do: {0}. A newer add-on may do more.": "Sie kann: {0}. Ein neueres Add-on kann vielleicht mehr.",
    "It is tried again.": "Es wird wieder versucht.",
    "Job": "Auftrag",
    "Jobs": "Aufträge",
    "just now": "gerade eben",
    "kept in the history": "im Verlauf aufgehoben",
    "Kept Results (MB)": "Aufgehobene Ergebnisse (MB)",
    "Largest dimension of the object in metres, whatever the scene's unit is":
        "Größte Ausdehnung des Objekts in Metern, gleich welche Einheit die Szene hat",
    "Let go of the hub; the hub of this machine is stopped. Jobs are kept and taken up at Connect":
        (
            "Den Hub loslassen; der dieses Rechners wird beendet. Aufträge bleiben und werden beim Verbinden "
            "wieder aufgenommen"
        ),
    "Let this job go on where it paused": "Diesen Auftrag dort fortsetzen, wo er angehalten hat",
    "Let this job rest, so that others get their turn. It keeps what it has done":
        "Diesen Auftrag ruhen lassen, damit andere drankommen. Er behält, was er geschafft hat",
    "looking whether it runs": "prüft, ob es läuft",
    "Make a textured object from a sentence": "Aus einem Satz ein Objekt mit Textur machen",
    "Make an environment for the backend and install it there. Blender's own Python stays as it is":
        "Eine Umgebung für das Backend anlegen und es dort installieren. Blenders eigenes Python bleibt, wie es ist",
    "Make it, with the settings above. Blender stays usable meanwhile":
        "Mit den Einstellungen darüber erzeugen. Blender bleibt dabei benutzbar",
    "Make room where {0} lies.": "Platz schaffen, wo {0} liegt.",
    "making the environment": "legt die Umgebung an",
    "Maquette": "Maquette",
    "Maquette chooses the views itself": "Maquette wählt die Ansichten selbst",
    "Maquette does not know where its backend is installed.":
        "Maquette weiß nicht, wo sein Backend installiert ist.",
    "Maquette has not made this picture, and this kind of work looks at none":
        "Dieses Bild ist nicht von Maquette, und diese Arbeit sieht sich keines an",
    "Maquette: {name} failed": "Maquette: {name} ist fehlgeschlagen",
    "Maquette: {name} is done": "Maquette: {name} ist fertig",
    "Minutes on one graphics card: more detail": "Minuten auf einer Grafikkarte: mehr Einzelheiten",
    "Minutes on two processor cores: a small object with a plain texture":
        "Minuten auf zwei Prozessorkernen: ein kleines Objekt mit einfacher Textur",
    "Multiplies the steps of the preset: below 1 is quicker and rougher, above 1 slower and finer":
        "Vervielfacht die Schritte der Voreinstellung: unter 1 schneller und gröber, über 1 langsamer und feiner",
    "Name": "Name",
    "Name of the asset library that results are published to. Empty: the first one":
        "Name der Asset-Bibliothek, in die veröffentlicht wird. Leer: die erste",
    "Name of the object. Empty: made from the prompt": "Name des Objekts. Leer: aus der Beschreibung gemacht",
    "New Each Time": "Jedes Mal neu",
    "New Map": "Neue Karte",
    "New Seed": "Neuer Startwert",
    "next": "als nächster",
    "No job is running": "Kein Auftrag läuft",
    "None": "Keine",
    "not connected": "nicht verbunden",
    "Not in what this prior knows. Nearest: {known}": "Das kennt dieses Bildmodell nicht. Am nächsten: {known}",
    "Not measured here yet": "Hier noch nicht gemessen",
    "Nothing here": "Nichts gefunden",
    "Nothing was made yet": "Noch nichts erzeugt",
    "offline": "nicht erreichbar",
    "One camera where you look from": "Eine Kamera dort, von wo Sie schauen",
    "Open": "Öffnen",
    "Open Network Preferences": "Netzwerk-Einstellungen öffnen",
    "Open Preferences": "Einstellungen öffnen",
    "Page": "Seite",
    "paint": "malt",
    "Paint the selected mesh from a sentence": "Das gewählte Netz nach einem Satz bemalen",
    "Pairing String": "Kopplungszeile",
    "Paper": "Veröffentlichung",
    "Paste Pairing String": "Kopplungszeile einfügen",
    "Path of the log; empty for the hub's": "Pfad des Protokolls; leer: das des Hubs",
    "Pause": "Anhalten",
    "paused": "angehalten",
    "pausing": "hält an",
    "Picture": "Bild",
    "Place": "Ort",
    "Place Cameras": "Kameras aufstellen",
    "Place cameras around the selected objects, in a collection of their own":
        "Kameras um die gewählten Objekte stellen, in eine eigene Sammlung",
    "place is wrong: {0}.": "place ist falsch: {0}.",
    "Place some with the buttons below it.": "Mit den Knöpfen darunter welche aufstellen.",
    "Preset": "Voreinstellung",
    "Prior": "Bildmodell",
    "Prompt": "Beschreibung",
    "Publish as Asset": "Als Asset veröffentlichen",
    "Published to {0}": "Veröffentlicht in {0}",
    "Put prompt, seed and settings of this job back into the panel":
        "Beschreibung, Startwert und Einstellungen dieses Auftrags in das Panel zurückholen",
    "Put this result into the open file, at the place that the panel names":
        "Dieses Ergebnis in die offene Datei holen, an den Ort, den das Panel nennt",
    "Python": "Python",
    "read the mesh": "liest das Netz",
    "read the prompt": "liest die Beschreibung",
    "Remove Backend": "Backend entfernen",
    "Remove from List": "Aus der Liste nehmen",
    "Results": "Ergebnisse",
    "Reuse Settings": "Einstellungen übernehmen",
    "Ring": "Ring",
    "Rough Mesh While Working": "Grobes Netz während der Arbeit",
    "Save textures into a folder beside the .blend file. Off, or file not saved: packed into it":
        "Texturen in einen Ordner neben der .blend-Datei legen. Aus, oder Datei nicht gesichert: hineingepackt",
    "Say in Source where the backend comes from": "Unter Quelle angeben, woher das Backend kommt",
    "Say where the backend comes from.": "Angeben, woher das Backend kommt.",
    "Scene Cameras": "Kameras der Szene",
    "Search": "Suchen",
    "Seed": "Startwert",
    "seed {seed}": "Startwert {seed}",
    "Select Result": "Ergebnis auswählen",
    "Select the mesh that is to be painted": "Das Netz auswählen, das bemalt werden soll",
    "Select the object that this job made": "Das Objekt auswählen, das dieser Auftrag gemacht hat",
    "Selected Empty": "Gewähltes Leerobjekt",
    "sending": "wird gesendet",
    "sending its inputs": "Eingaben werden gesendet",
    "Show Log": "Protokoll zeigen",
    "Show older or newer jobs": "Ältere oder neuere Aufträge zeigen",
    "Show only what has these letters in its prompt": "Nur zeigen, was diese Buchstaben in der Beschreibung hat",
    "Show running jobs and a notice at their end in the status bar":
        "Laufende Aufträge und einen Hinweis an ihrem Ende in der Statusleiste zeigen",
    "Show the add-on's preferences": "Die Einstellungen des Add-ons zeigen",
    "Show the end of the log": "Das Ende des Protokolls zeigen",
    "Show the object while it takes shape. The finished object replaces it":
        "Das Objekt zeigen, während es entsteht. Das fertige ersetzt es",
    "Show where online access is allowed": "Zeigen, wo der Netzzugang erlaubt wird",
    "Side of the square texture, pixels": "Seite der quadratischen Textur in Pixeln",
    "Size (m)": "Größe (m)",
    "Source": "Quelle",
    "Source wants the folder of a clone, a wheel, a source archive or an address of one.":
        "Quelle will den Ordner eines Klons, ein Wheel, ein Quellarchiv oder eine Adresse davon.",
    "Stand the object at the 3D cursor": "Das Objekt an den 3D-Cursor stellen",
    "Stand the object at the selected empty, turned like it":
        "Das Objekt an das gewählte Leerobjekt stellen, gedreht wie dieses",
    "Stand the object at the world's origin": "Das Objekt an den Ursprung der Welt stellen",
    "Standard": "Standard",
    "starting": "beginnt",
    "starting again soon": "beginnt bald von neuem",
    "starting the worker": "startet den Arbeiter",
    "Status Bar": "Statusleiste",
    "Stop installing and put away what was made": "Die Installation anhalten und wegräumen, was angelegt wurde",
    "Strike this job out of the history, its kept result and picture too. Objects in scenes stay":
        "Diesen Auftrag aus dem Verlauf streichen, auch sein Ergebnis und Bild. Objekte in Szenen bleiben",
    "studio's hub": "Hub des Studios",
    "Take over into Maquette": "In Maquette übernehmen",
    "Take prompt and settings out of a picture that Maquette made, or show what is meant by it":
        "Beschreibung und Einstellungen aus einem Bild von Maquette nehmen, oder damit zeigen, was gemeint ist",
    "Take the pairing string of a studio's hub from the clipboard, and connect":
        "Die Kopplungszeile eines Studio-Hubs aus der Zwischenablage nehmen und verbinden",
    "Take the prompt from a text block, which has room for many lines; a new one begins with the field":
        "Die Beschreibung aus einem Textblock nehmen, der Platz für viele Zeilen hat; ein neuer beginnt mit dem Feld",
    "Take the prompt from the field again; the text block stays in the file":
        "Die Beschreibung wieder aus dem Feld nehmen; der Textblock bleibt in der Datei",
    "Take this ended job off the list. Its object stays, and so does its place in the history":
        "Diesen beendeten Auftrag aus der Liste nehmen. Sein Objekt bleibt, ebenso sein Platz im Verlauf",
    "Text Block": "Textblock",
    "Texture": "Bemalen",
    "Texture Size": "Texturgröße",
    "Textures as Files": "Texturen als Dateien",
    "The active UV map": "Die aktive UV-Karte",
    "The active UV map where it can be painted on, else a new one beside it":
        "Die aktive UV-Karte, wo man auf ihr malen kann, sonst eine neue daneben",
    "The asset library at {0} cannot be written: {1}.":
        "In die Asset-Bibliothek {0} lässt sich nicht schreiben: {1}.",
    "The backend is being installed": "Das Backend wird gerade installiert",
    "The backend is being installed already.": "Das Backend wird schon installiert.",
    "The backend needs Python {0}; this Blender brings {1}.{2}, and no other is on the PATH.":
        "Das Backend braucht Python {0}; dieses Blender bringt {1}.{2} mit, und kein anderes ist im PATH.",
    "The collection that is active when the button is pressed":
        "Die Sammlung, die beim Drücken des Knopfes aktiv ist",
    "The collection whose cameras are used": "Die Sammlung, deren Kameras benutzt werden",
    "The connection to the hub broke.": "Die Verbindung zum Hub ist abgerissen.",
    "The full schedule of the Magic3D paper: long, for a large graphics card":
        "Der volle Ablauf der Magic3D-Veröffentlichung: lang, für eine große Grafikkarte",
    "The history has no such job any more": "Der Verlauf hat diesen Auftrag nicht mehr",
    "The history has no such job any more.": "Der Verlauf hat diesen Auftrag nicht mehr.",
    "The hub does not answer. It is tried again and again": "Der Hub antwortet nicht. Es wird immer wieder versucht",
    "The hub of this machine": "Der Hub dieses Rechners",
    "The hub of this machine did not start within {0} s.{1}":
        "Der Hub dieses Rechners ist nicht in {0} s gestartet.{1}",
    "The hub of this machine ended with exit code {0}.{1}": "Der Hub dieses Rechners endete mit Code {0}.{1}",
    "The job has not ended after {0} seconds; it goes on.":
        "Der Auftrag ist nach {0} Sekunden nicht zu Ende; er läuft weiter.",
    "The line that the studio's administrator made for you. Empty: the hub of this machine":
        "Die Zeile, die die Verwaltung des Studios für Sie gemacht hat. Leer: der Hub dieses Rechners",
    "The object is not in this view layer any more": "Das Objekt ist nicht mehr in dieser Ansichtsebene",
    "The pairing string cannot be read": "Die Kopplungszeile lässt sich nicht lesen",
    "The panel names no cameras.": "Das Panel nennt keine Kameras.",
    "The picture cannot be read: {0}": "Das Bild lässt sich nicht lesen: {0}",
    "The Python that has Maquette's backend installed. Empty: the one that was installed from here":
        "Das Python, in dem das Backend von Maquette installiert ist. Leer: das von hier installierte",
    "The result cannot be used: {0}.": "Das Ergebnis ist nicht zu gebrauchen: {0}.",
    "The same prompt, settings and seed make the same object":
        "Gleiche Beschreibung, Einstellungen und Startwert ergeben dasselbe Objekt",
    "The size that the preset chooses": "Die Größe, die die Voreinstellung wählt",
    "The whole log is {0}.": "Das ganze Protokoll ist {0}.",
    "The whole log is {0}. `maquette doctor` says what is missing.":
        "Das ganze Protokoll ist {0}. `maquette doctor` sagt, was fehlt.",
    "there is a problem": "es gibt ein Problem",
    "There is no mesh called {0} any more.": "Es gibt kein Netz namens {0} mehr.",
    "There is nothing at {0}.": "Unter {0} ist nichts.",
    "This add-on cannot do work of the kind {0}.": "Dieses Add-on kann keine Arbeit der Art {0}.",
    "This folder has no model_index.json: it does not look like a model of diffusers":
        "In diesem Ordner ist kein model_index.json: er sieht nicht nach einem Modell von diffusers aus",
    "This kind of work chooses its own views": "Diese Arbeit wählt ihre Ansichten selbst",
    "This pairing string is for a worker.": "Diese Kopplungszeile ist für einen Arbeiter.",
    "This session has no job {0}": "Diese Sitzung hat keinen Auftrag {0}",
    "This session has no job {0}.": "Diese Sitzung hat keinen Auftrag {0}.",
    "This version of Maquette cannot {0}.": "Diese Version von Maquette kann das nicht: {0}.",
    "Try Again": "Nochmals versuchen",
    "Turn on Allow Online Access in Preferences, System, Network.":
        "In Einstellungen, System, Netzwerk den Onlinezugriff erlauben.",
    "Turn the Page": "Umblättern",
    "Turntable": "Drehteller",
    "Type what to make into Prompt": "Unter Beschreibung eingeben, was entstehen soll",
    "Update the add-on.": "Das Add-on aktualisieren.",
    "updating pip": "aktualisiert pip",
    "UV Map": "UV-Karte",
    "Vary": "Variieren",
    "version too old": "Version zu alt",
    "waited too long": "hat zu lange gewartet",
    "waiting for the hub": "wartet auf den Hub",
    "waiting its turn": "wartet, bis es dran ist",
    "waits until your hands are free": "wartet, bis Sie die Hände frei haben",
    "What the object should not look like": "Wie das Objekt nicht aussehen soll",
    "What to do": "Was zu tun ist",
    "What to make, in a few words: kind of thing, colour, material":
        "Was entstehen soll, in wenigen Worten: Art, Farbe, Material",
    "When Blender opens, connect and go on with the jobs that were running when it was closed":
        "Beim Öffnen von Blender verbinden und mit den Aufträgen weitermachen, die beim Schließen liefen",
    "Where the backend is installed from: folder of a clone, wheel, source archive, or its address":
        "Woher das Backend installiert wird: Ordner eines Klons, Wheel, Quellarchiv oder dessen Adresse",
    "Where the object is filed": "Wo das Objekt abgelegt wird",
    "Where the object stands": "Wo das Objekt steht",
    "Which coordinates the texture lies on. Existing UV maps stay as they are":
        "Auf welchen Koordinaten die Textur liegt. Vorhandene UV-Karten bleiben, wie sie sind",
    "Work": "Arbeit",
    "working": "arbeitet",
    "World Origin": "Weltursprung",
    "Write in a Text Block": "In einem Textblock schreiben",
    "Write in the Field": "Im Feld schreiben",
    "wrong key": "falscher Schlüssel",
    "{0} cameras are in {1}": "{0} Kameras sind in {1}",
    "{0} GiB are free, the backend needs {1} GiB.": "{0} GiB sind frei, das Backend braucht {1} GiB.",
    "{0} has no faces": "{0} hat keine Flächen",
    "{0} is linked from another file; make it local first":
        "{0} ist aus einer anderen Datei verknüpft; erst lokal machen",
    "{0} is not the address of a hub.": "{0} ist nicht die Adresse eines Hubs.",
    "{0}{1} names {2}, which is not a program that can be run.":
        "{0}{1}: {2} ist kein Programm, das sich ausführen lässt.",
    "{count} before it": "{count} davor",
    "{count} d ago": "vor {count} T",
    "{count} h ago": "vor {count} h",
    "{count} min ago": "vor {count} min",
    "{time} left": "noch {time}",
}
