"""The sentences of words.command in Spanish, by a fixed dictionary: what a translation is held to."""
import re
from functools import lru_cache

ROOMS = {
    "kitchen": "la cocina", "bedroom": "el dormitorio", "bathroom": "el baño", "garage": "el garaje", "living room": "el salón",
    "garden": "el jardín", "hallway": "el pasillo", "office": "la oficina", "basement": "el sótano",
}
MACHINES = {
    "light": "la luz", "lights": "las luces", "lamp": "la lámpara", "fan": "el ventilador", "heater": "el calefactor",
    "camera": "la cámara", "radio": "la radio", "pump": "la bomba", "alarm": "la alarma", "heating": "la calefacción",
    "engine": "el motor", "recording": "la grabación", "robot": "el robot", "water": "el agua", "timer": "el temporizador",
    "sensor": "el sensor", "tank": "el depósito",
}
DOORS = {
    "front door": "la puerta principal", "back door": "la puerta trasera", "garage door": "la puerta del garaje",
    "kitchen window": "la ventana de la cocina", "bedroom window": "la ventana del dormitorio",
    "garden gate": "la verja del jardín", "barn door": "la puerta del granero", "main gate": "la verja principal",
}  # all feminine, so that what they are agrees
AREAS = ROOMS | {"yard": "el patio", "street": "la calle", "field": "el campo", "barn": "el granero", "driveway": "la entrada"}
NUMBER = r"\d+(?: \d+)?"

SLOTS: dict[str, dict[str, str]] = {
    "switch": {"on": "enciende", "off": "apaga"},
    "room": ROOMS,
    "area": AREAS,
    "door": DOORS,
    "short": {
        "help": "ayuda", "yes": "sí", "no": "no", "stop": "para", "start": "empieza", "cancel": "cancela", "hello": "hola",
        "good morning": "buenos días", "good night": "buenas noches", "thank you": "gracias",
        "please repeat that": "por favor repite eso", "call for help": "pide ayuda", "wake up": "despierta",
        "go to sleep": "duérmete", "what time is it": "qué hora es", "what do you see": "qué ves",
        "what can you hear": "qué oyes", "is anyone there": "hay alguien ahí", "go back": "vuelve",
        "come here": "ven aquí", "be quiet": "guarda silencio",
    },
    "thing": {
        "person": "una persona", "dog": "un perro", "cat": "un gato", "bird": "un pájaro", "cow": "una vaca", "car": "un coche",
        "truck": "un camión", "bus": "un autobús", "bicycle": "una bicicleta", "package": "un paquete", "fire": "un fuego",
    },
    "appliance": MACHINES,
    "machine": MACHINES,
    "dimmable": MACHINES,
    "work": MACHINES,
    "device": MACHINES,
    "mover": MACHINES,
    "move_door": {"open": "abre", "close": "cierra", "lock": "cierra con llave", "unlock": "abre con llave"},
    "climate": {"temperature": "la temperatura", "humidity": "la humedad"},
    "unit": {"minutes": "minutos", "seconds": "segundos", "hours": "horas"},
    "begin": {"start": "inicia", "stop": "detén"},
    "near": {"in": "en", "near": "cerca de"},
    "door_state": {"open": "abierta", "closed": "cerrada", "locked": "cerrada con llave"},
    "tank": {"water": "agua", "fuel": "combustible", "battery": "batería", "oil": "aceite"},
    "countable": {
        "people": "cuántas personas", "cars": "cuántos coches", "dogs": "cuántos perros", "birds": "cuántos pájaros",
        "cows": "cuántas vacas", "packages": "cuántos paquetes",
    },
    "shot": {"picture": "haz una foto", "video": "graba un vídeo"},
    "chore": {"check": "revisar", "water": "regar", "feed": "dar de comer a", "clean": "limpiar"},
    "charge": {
        "plants": "las plantas", "dog": "el perro", "cat": "el gato", "tank": "el depósito", "cows": "las vacas",
        "pump": "la bomba",
    },
    "colour": {
        "red": "roja", "blue": "azul", "green": "verde", "white": "blanca", "brighter": "más brillante", "darker": "más tenue",
    },
    "reading": {"battery": "la batería", "status": "el estado", "temperature": "la temperatura", "pressure": "la presión"},
    "way": {
        "left": "a la izquierda", "right": "a la derecha", "up": "hacia arriba", "down": "hacia abajo",
        "forward": "hacia adelante", "back": "hacia atrás",
    },
}
NUMBERS = ("clock", "percent", "time", "sensor_number")  # slots that stay as they are

SENTENCES = {
    "turn {switch} the {room} {appliance}": "{switch} {appliance} de {room}",
    "turn {switch} the {machine}": "{switch} {machine}",
    "{move_door} the {door}": "{move_door} {door}",
    "what is the {climate} in the {area}": "cuál es {climate} en {area}",
    "set the {room} temperature to {percent} degrees": "pon la temperatura de {room} a {percent} grados",
    "set the {room} {dimmable} to {percent} percent": "pon {dimmable} de {room} al {percent} por ciento",
    "set an alarm for {clock}": "pon una alarma para las {clock}",
    "set a timer for {time} {unit}": "pon un temporizador de {time} {unit}",
    "{begin} the {work}": "{begin} {work}",
    "someone is at the {door}": "hay alguien en {door}",
    "there is a {thing} {near} the {area}": "hay {thing} {near} {area}",
    "is the {door} {door_state}": "está {door} {door_state}",
    "{tank} level is {percent} percent": "el nivel de {tank} es del {percent} por ciento",
    "how many {countable} are in the {area}": "{countable} hay en {area}",
    "take a {shot} of the {area}": "{shot} de {area}",
    "show me the {area} camera": "muéstrame la cámara de {area}",
    "remind me to {chore} the {charge} at {clock}": "recuérdame {chore} {charge} a las {clock}",
    "{short}": "{short}",
    "make the {room} light {colour}": "pon la luz de {room} {colour}",
    "report the {reading} of {device} {sensor_number}": "informa de {reading} de {device} {sensor_number}",
    "move the {mover} {way}": "mueve {mover} {way}",
}
# What the parts become where they meet.
JOINTS = [(r"\bde el\b", "del"), (r"\ba el\b", "al"), (r"\blas (1(?: \d+)?)$", r"la \1")]


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    def slot(found: re.Match[str]) -> str:
        name = found[1]
        return f"(?P<{name}>{NUMBER if name in NUMBERS else '|'.join(SLOTS[name])})"

    return [(re.compile(re.sub(r"\{(\w+)\}", slot, english)), words) for english, words in SENTENCES.items()]


def is_translatable(sentence: str) -> bool:
    """Whether it is a sentence of words.command."""
    return any(pattern.fullmatch(sentence) for pattern, _ in _patterns())


def spanish(sentence: str) -> str:
    """A sentence of words.command in Spanish, without punctuation, as transcripts are. ValueError for any other."""
    for pattern, words in _patterns():
        if found := pattern.fullmatch(sentence):
            slots = found.groupdict().items()
            said = words.format(**{name: value if name in NUMBERS else SLOTS[name][value] for name, value in slots})
            for parts, whole in JOINTS:
                said = re.sub(parts, whole, said)
            return said
    raise ValueError(f"{sentence!r} is no sentence of the grammar")
