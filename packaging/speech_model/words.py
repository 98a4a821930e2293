"""What the demonstration's speech model can tell apart: its phones and its words.

`TARGETS` are practised most. A word that is in `VOCABULARY` only needs a graph, not a training, so sample flows may add
to `MENUS` at will. `OTHERS` and made-up words give each phone every neighbour.
"""


def listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SILENCE = "SIL"
PHONES = (SILENCE, *listed("a e i o u p t k b d g f th s x ch m n ny l r rr y j w"))
PDF = {phone: number for number, phone in enumerate(PHONES)}

_OF_ESPEAK = {
    "a": "a", "e": "e", "i": "i", "o": "o", "u": "u", "E": "e", "O": "o",
    "p": "p", "t": "t", "k": "k", "b": "b", "B": "b", "d": "d", "D": "d", "g": "g", "Q": "g",
    "f": "f", "T": "th", "s": "s", "z": "s", "S": "s", "x": "x", "h": "x", "tS": "ch",
    "m": "m", "n": "n", "N": "n", "n^": "ny", "l": "l", "l^": "y", "J^": "y", "J": "y", "r": "r", "**": "r",
    "R": "rr", "R2": "rr", "j": "j", "w": "w", "v": "b", "V": "b", ";": "j",
}  # fmt: skip
_GLIDES = {"I": "j", "U": "w"}


def phones_of(mnemonic: str) -> tuple[str, ...]:
    """Our phones for one of espeak's; two for a diphthong. Raises KeyError for a sound that is not Spanish."""
    plain = mnemonic.lstrip("',%=|").rstrip(":")
    if not plain or plain.startswith("_"):
        return (SILENCE,)
    if len(plain) == 2 and plain[1] in _GLIDES:
        return (_OF_ESPEAK[plain[0]], _GLIDES[plain[1]])
    return (_OF_ESPEAK[plain],)


TARGETS = listed("sí no cero uno dos tres cuatro cinco seis siete ocho nueve operador trámites")
MENUS = listed(
    """impuestos vacunación vacuna cédula persona repetir ayuda correcto incorrecto claro bueno dale exacto negativo
    afirmativo documento pasaporte permiso menor certificado antecedentes deuda patente vehículo partida nacimiento
    licencia conducir turno agenda reclamo horario horarios costo precio requisitos dirección oficina salir volver menú
    gracias otra otro vez información consulta estado trámite hablar con una persona alguien por supuesto nada listo
    perfecto mal bien está así es eso quiero la el de para"""
)
VOCABULARY = tuple(dict.fromkeys((*TARGETS, *MENUS)))

OTHERS = listed(
    """año casa ciudad calle puerta trabajo familia semana lunes martes miércoles jueves viernes sábado domingo enero
    febrero marzo abril mayo junio julio agosto setiembre octubre noviembre diciembre mañana tarde noche hoy ayer ahora
    después antes siempre nunca teléfono correo electrónico nombre apellido fecha edad salud hospital médico escuela
    maestro universidad jubilación pensión banco dinero pesos cuenta pago factura agua luz gas basura barrio ruta
    autobús tren playa río campo lluvia viento perro gato niño niña señor señora abuelo abuela hijo hija hermano padre
    madre amigo vecino gente país gobierno ministerio intendencia juzgado policía bombero denuncia multa seguro contrato
    alquiler vivienda terreno plano obra comercio empresa empleo sueldo aguinaldo sindicato feriado votar elección
    ciudadano extranjero residencia frontera aduana equipaje viaje pueblo plaza mercado feria carne leche queso yerba
    mate azúcar huevo zanahoria cebolla fruta manzana naranja cielo estrella sol luna tierra fuego hierro guitarra
    música fútbol jugador pelota equipo cancha gol hacer decir poder querer saber llegar pasar deber poner parecer
    quedar creer llevar dejar seguir encontrar llamar venir pensar tomar conocer vivir sentir tratar mirar contar
    empezar esperar buscar existir entrar escribir perder producir ocurrir entender pedir recibir recordar terminar
    permitir aparecer conseguir comenzar servir sacar necesitar mantener resultar leer caer cambiar presentar crear
    abrir considerar oír acabar grande pequeño nuevo viejo largo corto alto bajo joven mejor peor último primero segundo
    diez once doce trece catorce quince veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien mil
    lluvioso guía cigüeña pingüino ahínco reír voy hoy muy ley buey aire peine boina auto deuda cuidado juicio bien
    hueso guante quiosco chico noche ancho marcha yo llave calle mayo ayuda yuyo zorro cruz luz paz gente jirafa
    caja rojo examen taxi texto exacto éxito ahora zapato cena ciento vaca beber lobo dedo duda verdad ciudad lago
    mago agua regla"""
)
