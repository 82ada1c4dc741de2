"""Writes the labelled set of the detectors: `python benchmarks/detectors/make.py > benchmarks/detectors/set.jsonl`.
A number behind it draws other values for the same sentences.

Made-up texts in six languages. Numbers are drawn at random and given the check digits that python-stdnum computes, so
that neither a value nor a phrasing comes from the detectors. One line a text: `text`, `language`, `kinds` (what must be
found: kind -> count) and `group`: 'positive', 'bare' (a number in a table, JSON or a form, without a sentence),
'near' (a valid number with one character changed) or 'negative' (numbers and words that only look like something).
"""

from __future__ import annotations

import base64
import json
import random
import string
import sys
import uuid
from collections.abc import Callable, Iterator

from stdnum import iban as stdnum_iban
from stdnum import luhn
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel

SEED = 20261121
LANGUAGES = ("en", "de", "fr", "es", "it", "nl")
rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else SEED)


def digits(n: int) -> str:
    return "".join(rng.choices(string.digits, k=n))


def pick(*options: str) -> str:
    return rng.choice(options)


def until(make: Callable[[], str], valid: Callable[[str], bool]) -> str:
    while not valid(found := make()):
        pass
    return found


def grouped(number: str, *sizes: int, by: str = " ") -> str:
    out, at = [], 0
    for size in sizes:
        out.append(number[at : at + size])
        at += size
    if at < len(number):
        out.append(number[at:])
    return by.join(out)


# ---- values: (as written, kind) -----------------------------------------------------------------------------

FIRST = "anna jan marie luc sofia marco pieter ines tom lena hugo carla björn maría noémie giulia".split()
LAST = "keller martin rossi jansen garcia novak smith dubois weber moreau bianchi de-vries o.neill".split()
HOSTS = (
    "example.com example.org mail.example.net firma-nord.de orange.fr post.example.co.uk uni-delft.nl correo.es "
    "studio.it kanzlei.example bücher.example a.b.example.eu"
).split()  # fmt: skip


def email() -> str:
    first, last = rng.choice(FIRST), rng.choice(LAST)
    local = pick(
        f"{first}.{last}", f"{first[0]}{last}", f"{first}_{digits(2)}", f"{first}+{last}", f"{last}{digits(4)}"
    )
    address = f"{local}@{rng.choice(HOSTS)}"
    return address.upper() if rng.random() < 0.05 else address


BBAN = {  # what stands in the account part, by country: d a digit, a a letter
    "DE": "d" * 18, "FR": "d" * 10 + "d" * 11 + "dd", "ES": "d" * 20, "IT": "a" + "d" * 22, "NL": "aaaa" + "d" * 10,
    "GB": "aaaa" + "d" * 14, "AT": "d" * 16, "CH": "d" * 17, "BE": "d" * 12, "PL": "d" * 24, "IE": "aaaa" + "d" * 14,
    "LU": "d" * 16, "SE": "d" * 20, "PT": "d" * 21,
}  # fmt: skip


def iban() -> str:
    country = rng.choice(list(BBAN))
    body = "".join(rng.choice(string.digits if c == "d" else string.ascii_uppercase) for c in BBAN[country])
    number = country + stdnum_iban.calc_check_digits(country + "00" + body) + body
    shape = rng.random()
    if shape < 0.5:
        return grouped(number, *[4] * (len(number) // 4))
    return number.lower() if shape < 0.55 else number


def card() -> str:
    start, length = rng.choice([("4", 16), ("4", 16), ("51", 16), ("55", 16), ("2223", 16), ("37", 15), ("34", 15),
                                ("6011", 16), ("3530", 16), ("36", 14), ("65", 16)])  # fmt: skip
    body = start + digits(length - len(start) - 1)
    number = body + luhn.calc_check_digit(body)
    shape = rng.random()
    if shape < 0.4:
        return number
    by = " " if shape < 0.85 else "-"
    return grouped(number, 4, 6, by=by) if length < 16 else grouped(number, 4, 4, 4, by=by)


def de_tax_id() -> str:
    def draw() -> str:
        kept = rng.sample(string.digits, 9)
        kept.append(rng.choice(kept))
        rng.shuffle(kept)
        body = "".join(kept)
        return body + idnr.mod_11_10.calc_check_digit(body)

    number = until(draw, idnr.is_valid)
    return grouped(number, 2, 3, 3) if rng.random() < 0.5 else number


def fr_nir() -> str:
    department = pick(f"{rng.randint(1, 95):02d}", "2A", "2B", "75", "13")
    if department == "20":
        department = "21"
    body = f"{rng.randint(1, 2)}{rng.randint(40, 99)}{rng.randint(1, 12):02d}{department}{rng.randint(1, 900):03d}{rng.randint(1, 900):03d}"
    number = body + nir.calc_check_digits(body)
    return grouped(number, 1, 2, 2, 2, 3, 3) if rng.random() < 0.6 else number


def es_dni() -> str:
    if rng.random() < 0.3:
        body = pick("X", "Y", "Z") + digits(7)
        letter = nie.calc_check_digit(body)
        return pick(f"{body}{letter}", f"{body[0]}-{body[1:]}-{letter}")
    body = digits(8)
    letter = dni.calc_check_digit(body)
    return pick(f"{body}{letter}", f"{body}{letter}", f"{body}-{letter}", f"{body[:2]}.{body[2:5]}.{body[5:]}-{letter}")


def it_codice_fiscale() -> str:
    def draw() -> str:
        letters = "".join(rng.choices("BCDFGLMNPRSTVZAEIOU", k=6))
        day = rng.randint(1, 28) + rng.choice((0, 40))
        body = f"{letters}{digits(2)}{rng.choice('ABCDEHLMPRST')}{day:02d}{rng.choice('ABCDEFGHIL')}{digits(3)}"
        return body + codicefiscale.calc_check_digit(body)

    number = until(draw, codicefiscale.is_valid)
    return grouped(number, 3, 3, 5) if rng.random() < 0.1 else number


def nl_bsn() -> str:
    number = until(lambda: digits(9), bsn.is_valid)
    return pick(number, number, number, grouped(number, 4, 2, by="."), grouped(number, 3, 3))


def pl_pesel() -> str:
    def draw() -> str:
        body = f"{digits(2)}{rng.randint(1, 12) + rng.choice((0, 0, 20)):02d}{rng.randint(1, 28):02d}{digits(4)}"
        return body + pesel.calc_check_digit(body)

    return until(draw, lambda n: bool(pesel.is_valid(n)))


def us_ssn() -> str:
    return f"{rng.choice([*range(1, 666), *range(667, 900)]):03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"


def gb_nino() -> str:
    letters = until(lambda: rng.choice("ABCEGHJKLMNPRSTWXYZ") + rng.choice("ABCEGHJKLMNPRSTWXYZ"),
                    lambda p: p not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"))  # fmt: skip
    number = letters + digits(6) + rng.choice("ABCD")
    return grouped(number, 2, 2, 2, 2) if rng.random() < 0.6 else number


def phone() -> str:
    return pick(
        f"+49 30 {rng.randint(200000, 899999)}{digits(2)}", f"+49 171 {rng.randint(2000000, 9999999)}",
        f"+33 6 {digits(2)} {digits(2)} {digits(2)} {digits(2)}", f"+34 6{digits(2)} {digits(3)} {digits(3)}",
        f"+39 333 {rng.randint(1000000, 9999999)}", f"+31 6 {rng.randint(10000000, 59999999)}",
        f"+44 7700 900{digits(3)}", f"+1 (212) 5{rng.randint(20, 54)}-{rng.randint(2000, 9999)}",
        f"0049 30 {rng.randint(2000000, 8999999)}", f"+44 (0)20 7946 0{digits(3)}",
    )  # fmt: skip


PHONE_AT_HOME = {
    "en": lambda: pick(f"020 7946 0{digits(3)}", f"(212) 5{rng.randint(20, 54)}-{rng.randint(2000, 9999)}",
                       f"07700 900{digits(3)}"),
    "de": lambda: pick(f"030 {rng.randint(2000000, 8999999)}", f"0171/{rng.randint(2000000, 9999999)}",
                       f"(089) {rng.randint(200000, 899999)}"),
    "fr": lambda: f"0{rng.choice('67')} {rng.randint(10, 69)} {digits(2)} {digits(2)} {digits(2)}",
    "es": lambda: f"6{rng.randint(10, 99)} {digits(3)} {digits(3)}",
    "it": lambda: f"333 {rng.randint(1000000, 9999999)}",
    "nl": lambda: f"06-{rng.randint(10000000, 59999999)}",
}  # fmt: skip

KEY_LETTERS = string.ascii_letters + string.digits


def letters(n: int, of: str = KEY_LETTERS) -> str:
    return "".join(rng.choices(of, k=n))


def api_key() -> str:
    return pick(
        "sk-" + letters(48), "sk-proj-" + letters(60), "sk-ant-api03-" + letters(80), "ghp_" + letters(36),
        "github_pat_" + letters(22) + "_" + letters(59), "glpat-" + letters(20), "AIza" + letters(35),
        f"xoxb-{digits(12)}-{digits(12)}-{letters(24)}", "hf_" + letters(34), "npm_" + letters(36),
        "sk_live_" + letters(24), "SG." + letters(22) + "." + letters(43),
    )  # fmt: skip


def aws_key() -> str:
    return "AKIA" + letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def private_key() -> str:
    kind = pick("RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED ")
    body = "\n".join(letters(64) for _ in range(rng.randint(4, 12)))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


def jwt() -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    algorithm = pick("HS256", "RS256", "ES256")
    head = (
        {"alg": algorithm, "typ": "JWT"} if rng.random() < 0.7 else {"typ": "JWT", "kid": digits(4), "alg": algorithm}
    )
    return f"{part(head)}.{part({'sub': digits(8), 'iat': rng.randint(10**9, 2 * 10**9)})}.{letters(43)}"


def bearer() -> str:
    return f"Authorization: Bearer {letters(rng.randint(24, 60))}"


def password() -> str:
    value = letters(rng.randint(9, 16)) + pick("!", "#", "$9", "x7") + digits(1)
    return pick(
        f"password={value}", f"password: {value}", f'"password": "{value}"', f"DB_PASSWORD={value}", f"pwd={value}",
        f'api_key = "{letters(32)}"', f"token: {letters(32)}", f"client_secret={letters(40)}",
        f"https://admin:{letters(10)}7@db.example.net/app", f"SECRET_KEY='{letters(30)}4'",
    )  # fmt: skip


# ---- sentences ----------------------------------------------------------------------------------------------

WRAP = {
    "en": ["Please note down: {}.", "Hello, {} Could you check this today?", "Summarise this mail: \"{}\" Thanks.",
           "The customer wrote on 3 May 2024: {}", "{}\n\nWhat should I answer?"],
    "de": ["Bitte notieren: {}.", "Guten Tag, {} Können Sie das heute prüfen?", "Fasse diese Mail zusammen: „{}“ Danke.",
           "Der Kunde schrieb am 3.5.2024: {}", "{}\n\nWas soll ich antworten?"],
    "fr": ["Merci de noter : {}.", "Bonjour, {} Pouvez-vous vérifier ?", "Résume ce message : « {} » Merci.",
           "Le client a écrit le 3 mai 2024 : {}", "{}\n\nQue dois-je répondre ?"],
    "es": ["Apunte, por favor: {}.", "Hola, {} ¿Puede revisarlo hoy?", "Resume este correo: «{}» Gracias.",
           "El cliente escribió el 3 de mayo de 2024: {}", "{}\n\n¿Qué debo contestar?"],
    "it": ["Prego annotare: {}.", "Buongiorno, {} Può controllare oggi?", "Riassumi questa mail: «{}» Grazie.",
           "Il cliente ha scritto il 3 maggio 2024: {}", "{}\n\nChe cosa devo rispondere?"],
    "nl": ["Noteer alstublieft: {}.", "Hallo, {} Kunt u dit vandaag nakijken?", "Vat deze mail samen: \"{}\" Bedankt.",
           "De klant schreef op 3 mei 2024: {}", "{}\n\nWat moet ik antwoorden?"],
}  # fmt: skip

SAID = {
    "email": {"en": ["you can write to {}", "my address is {}", "{} did not get the invoice"],
              "de": ["schreiben Sie an {}", "meine Adresse ist {}", "{} hat keine Rechnung bekommen"],
              "fr": ["écrivez à {}", "mon adresse est {}"], "es": ["escriba a {}", "mi correo es {}"],
              "it": ["scriva a {}", "il mio indirizzo è {}"], "nl": ["mail naar {}", "mijn adres is {}"]},
    "phone": {"en": ["call me at {}", "my phone number is {}", "phone: {}"],
              "de": ["rufen Sie mich unter {} an", "Telefon: {}", "Sie erreichen mich unter {}"],
              "fr": ["appelez-moi au {}", "téléphone : {}"], "es": ["llámeme al {}", "mi teléfono es el {}"],
              "it": ["mi chiami al {}", "telefono: {}"], "nl": ["bel mij op {}", "telefoon: {}"]},
    "iban": {"en": ["pay it to {}", "our account is {}"], "de": ["bitte auf {} überweisen", "unser Konto lautet {}"],
             "fr": ["à virer sur {}", "notre compte est {}"], "es": ["páguelo a {}", "nuestra cuenta es {}"],
             "it": ["da versare su {}", "il nostro conto è {}"], "nl": ["maak het over op {}", "onze rekening is {}"]},
    "card": {"en": ["charge it to {}", "my card is {}, valid to 09/29"],
             "de": ["buchen Sie von {} ab", "meine Karte ist {}, gültig bis 09/29"],
             "fr": ["débitez {}", "ma carte est {}"], "es": ["cárguelo a {}", "mi tarjeta es {}"],
             "it": ["addebiti {}", "la mia carta è {}"], "nl": ["boek het af van {}", "mijn kaart is {}"]},
    "de-tax-id": {"en": ["my German tax number is {}"], "de": ["meine Steuer-ID lautet {}", "IdNr. {}"],
                  "fr": ["mon identifiant fiscal allemand est {}"], "es": ["mi número fiscal alemán es {}"],
                  "it": ["il mio codice fiscale tedesco è {}"], "nl": ["mijn Duitse belastingnummer is {}"]},
    "fr-nir": {"en": ["my French social security number is {}"], "de": ["meine französische Sozialnummer ist {}"],
               "fr": ["mon numéro de sécu est {}", "NIR : {}"], "es": ["mi número francés es {}"],
               "it": ["il mio numero francese è {}"], "nl": ["mijn Franse nummer is {}"]},
    "es-dni": {"en": ["my Spanish identity number is {}"], "de": ["meine spanische Ausweisnummer ist {}"],
               "fr": ["mon numéro espagnol est {}"], "es": ["mi DNI es {}", "con documento {}", "NIE/NIF {}"],
               "it": ["il mio numero spagnolo è {}"], "nl": ["mijn Spaanse nummer is {}"]},
    "it-codice-fiscale": {"en": ["my Italian tax code is {}"], "de": ["meine italienische Steuernummer ist {}"],
                          "fr": ["mon code fiscal italien est {}"], "es": ["mi código fiscal italiano es {}"],
                          "it": ["il mio codice fiscale è {}", "C.F. {}"], "nl": ["mijn Italiaanse code is {}"]},
    "nl-bsn": {"en": ["my Dutch citizen service number is {}", "my BSN is {}"], "de": ["meine BSN ist {}"],
               "fr": ["mon BSN néerlandais est {}"], "es": ["mi BSN neerlandés es {}"],
               "it": ["il mio BSN olandese è {}"],
               "nl": ["mijn BSN is {}", "burgerservicenummer {}", "mijn sofinummer was {}", "BSN-nummer: {}"]},
    "pl-pesel": {"en": ["my PESEL is {}", "my Polish number is {}"], "de": ["meine PESEL lautet {}"],
                 "fr": ["mon numéro polonais est {}"], "es": ["mi número polaco es {}"],
                 "it": ["il mio numero polacco è {}"], "nl": ["mijn Poolse nummer is {}"]},
    "us-ssn": {"en": ["my social security number is {}", "SSN {}"], "de": ["meine US-Sozialversicherungsnummer ist {}"],
               "fr": ["mon SSN américain est {}"], "es": ["mi número de seguro social es {}"],
               "it": ["il mio SSN è {}"], "nl": ["mijn SSN is {}"]},
    "gb-nino": {"en": ["my National Insurance number is {}", "NI number {}"], "de": ["meine NINO ist {}"],
                "fr": ["mon NINO est {}"], "es": ["mi NINO es {}"], "it": ["il mio NINO è {}"], "nl": ["mijn NINO is {}"]},
}  # fmt: skip
SECRET = {"en": "this is in our settings:\n{}\nwhy does it fail?", "de": "so steht es in der Konfiguration:\n{}\nwarum geht es nicht?",
          "fr": "c'est dans notre configuration :\n{}\npourquoi ?", "es": "está en la configuración:\n{}\n¿por qué falla?",
          "it": "sta nella configurazione:\n{}\nperché?", "nl": "dit staat in de instellingen:\n{}\nwaarom faalt het?"}  # fmt: skip

MAKE: dict[str, Callable[[], str]] = {
    "email": email, "phone": phone, "iban": iban, "card": card, "de-tax-id": de_tax_id, "fr-nir": fr_nir,
    "es-dni": es_dni, "it-codice-fiscale": it_codice_fiscale, "nl-bsn": nl_bsn, "pl-pesel": pl_pesel,
    "us-ssn": us_ssn, "gb-nino": gb_nino,
}  # fmt: skip
SECRETS: dict[str, Callable[[], str]] = {
    "api-key": api_key, "aws-key": aws_key, "private-key": private_key, "jwt": jwt, "bearer-token": bearer,
    "password": password,
}  # fmt: skip
CHECKED = ("iban", "card", "de-tax-id", "fr-nir", "es-dni", "it-codice-fiscale", "nl-bsn", "pl-pesel")

# ---- what only looks like something -------------------------------------------------------------------------


def isbn() -> str:
    body = "978" + digits(9)
    check = (10 - sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(body)) % 10) % 10
    return pick(body + str(check), grouped(body + str(check), 3, 1, 2, 6, by="-"))


def date() -> str:
    y, m, d = rng.randint(1950, 2030), rng.randint(1, 12), rng.randint(1, 28)
    return pick(
        f"{y}-{m:02d}-{d:02d}",
        f"{d:02d}.{m:02d}.{y}",
        f"{d}/{m}/{y}",
        f"{y}{m:02d}{d:02d}",
        f"{y}-{m:02d}-{d:02d}T1{d % 10}:30:00Z",
    )


def address() -> str:
    return pick(
        ".".join(str(rng.randint(0, 255)) for _ in range(4)), ":".join(letters(4, "0123456789abcdef") for _ in range(8))
    )


def price() -> str:
    return pick(
        f"{rng.randint(1, 9)}.{digits(3)}.{digits(3)},{digits(2)} €", f"${rng.randint(1, 999)},{digits(3)}.{digits(2)}"
    )


def order() -> str:
    return pick(digits(8), digits(10), digits(12), f"{rng.randint(100, 999)}-{digits(7)}-{digits(7)}", f"A{digits(9)}")


NEGATIVE: list[tuple[Callable[[], str], dict[str, str]]] = [
    (order, {"en": "Where is order {}?", "de": "Wo bleibt Bestellung {}?", "fr": "Où est la commande {} ?",
             "es": "¿Dónde está el pedido {}?", "it": "Dov'è l'ordine {}?", "nl": "Waar is bestelling {}?"}),
    (lambda: pick(f"R-{rng.randint(2019, 2026)}-{digits(5)}", f"INV{digits(8)}", f"{rng.randint(2019, 2026)}/{digits(6)}"),
     {"en": "Invoice {} was paid twice.", "de": "Rechnung {} wurde zweimal bezahlt.", "fr": "La facture {} est payée.",
      "es": "La factura {} está pagada.", "it": "La fattura {} è pagata.", "nl": "Factuur {} is betaald."}),
    (lambda: f"{rng.randint(0, 20)}.{rng.randint(0, 40)}.{rng.randint(0, 9999)}" + pick("", ".1234567", "-rc.2", "+build.20240501"),
     {"en": "Upgrade to version {} today.", "de": "Aktualisiere auf Version {}.", "fr": "Passez à la version {}.",
      "es": "Actualice a la versión {}.", "it": "Aggiornare alla versione {}.", "nl": "Werk bij naar versie {}."}),
    (isbn, {"en": "The book has ISBN {}.", "de": "Das Buch hat die ISBN {}.", "fr": "Le livre porte l'ISBN {}.",
            "es": "El libro tiene el ISBN {}.", "it": "Il libro ha l'ISBN {}.", "nl": "Het boek heeft ISBN {}."}),
    (date, {"en": "Call me before {}, please.", "de": "Ruf mich vor dem {} an.", "fr": "Appelez-moi avant le {}.",
            "es": "Llámeme antes del {}.", "it": "Mi chiami prima del {}.", "nl": "Bel mij voor {}."}),
    (address, {"en": "The host {} does not answer.", "de": "Der Rechner {} antwortet nicht.", "fr": "L'hôte {} est muet.",
               "es": "El equipo {} no contesta.", "it": "L'host {} non risponde.", "nl": "Host {} antwoordt niet."}),
    (lambda: letters(rng.choice((7, 12, 32, 40, 64)), "0123456789abcdef"),
     {"en": "Commit {} broke the build.", "de": "Commit {} ist fehlerhaft.", "fr": "Le commit {} est fautif.",
      "es": "El commit {} falla.", "it": "Il commit {} è rotto.", "nl": "Commit {} is stuk."}),
    (lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
     {"en": "Request {} timed out.", "de": "Anfrage {} lief ab.", "fr": "La requête {} a expiré.",
      "es": "La petición {} caducó.", "it": "La richiesta {} è scaduta.", "nl": "Verzoek {} verliep."}),
    (price, {"en": "It costs {} in all.", "de": "Es kostet {}.", "fr": "Cela coûte {}.", "es": "Cuesta {}.",
             "it": "Costa {}.", "nl": "Het kost {}."}),
    (lambda: pick(digits(16), digits(18), digits(20), digits(13), f"1Z{letters(16, string.digits)}", f"JD{digits(18)}"),
     {"en": "The parcel {} is late.", "de": "Das Paket {} ist verspätet.", "fr": "Le colis {} tarde.",
      "es": "El paquete {} se retrasa.", "it": "Il pacco {} è in ritardo.", "nl": "Pakket {} is te laat."}),
    (lambda: pick(f"{rng.uniform(-90, 90):.7f}, {rng.uniform(-180, 180):.7f}", f"{rng.random():.15f}", f"{rng.randint(10**9, 2 * 10**9)}",
                  f"{rng.randint(10**12, 2 * 10**12)}", digits(11), digits(9)),
     {"en": "The sensor reads {} now.", "de": "Der Sensor zeigt {}.", "fr": "Le capteur indique {}.",
      "es": "El sensor marca {}.", "it": "Il sensore segna {}.", "nl": "De sensor geeft {}."}),
    (lambda: pick("logo@2x.png", "@app.route('/x')", "npm i react@18.2.0", "git@github.com:acme/tool.git", "user@", "a @ b",
                  "pip install foo==1.2.3", "@media (max-width: 600px)"),
     {lang: "`{}`: ?" for lang in LANGUAGES}),
    (lambda: pick("password: required", "token limit: 4096", "max_tokens=256", "password=<your password>", "api_key = os.environ['API_KEY']",
                  "token: ${TOKEN}", "secret: ********", "I forgot my password.", "the secret is to be patient", "bearer of good news",
                  "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "risk-free task-based sk-learn pipeline"),
     {lang: "{} ?" for lang in LANGUAGES}),
    (lambda: pick(f"EAN {digits(13)}", f"VIN WVWZZZ1JZXW{digits(6)}", f"SKU {digits(8)}-{digits(3)}", f"ABC-{digits(6)}-D", f"RFC {digits(4)}",
                  f"AB{digits(4)}C", f"{digits(2)}:{digits(2)}:{digits(2)}.{digits(6)}", f"{digits(3)} x {digits(4)} mm", f"#{digits(6)}"),
     {"en": "Do we have {} in stock?", "de": "Haben wir {} auf Lager?", "fr": "Avons-nous {} en stock ?",
      "es": "¿Tenemos {} en almacén?", "it": "Abbiamo {} in magazzino?", "nl": "Hebben we {} op voorraad?"}),
]  # fmt: skip

VALID: dict[str, Callable[[str], bool]] = {
    "iban": lambda n: stdnum_iban.is_valid(n, check_country=False), "card": luhn.is_valid, "de-tax-id": idnr.is_valid,
    "fr-nir": nir.is_valid, "es-dni": lambda n: dni.is_valid(n) or nie.is_valid(n),
    "it-codice-fiscale": codicefiscale.is_valid, "nl-bsn": bsn.is_valid, "pl-pesel": pesel.is_valid,
}  # fmt: skip


def changed(kind: str) -> str:
    """A valid number with one digit changed to another."""
    number = MAKE[kind]()
    while True:
        at = rng.randrange(len(number))
        if number[at].isdigit():
            other = number[:at] + rng.choice(string.digits) + number[at + 1 :]
            if other != number and not VALID[kind](other):
                return other


def rows() -> Iterator[dict[str, object]]:
    for kind, make in MAKE.items():
        for language in LANGUAGES:
            for _ in range(10):
                value = make()
                if kind == "phone" and rng.random() < 0.5:
                    value = PHONE_AT_HOME[language]()
                said = rng.choice(SAID[kind][language]).format(value)
                yield {
                    "group": "positive",
                    "language": language,
                    "kinds": {kind: 1},
                    "text": rng.choice(WRAP[language]).format(said),
                }
    for kind, make in SECRETS.items():
        for language in LANGUAGES:
            for _ in range(8):
                text = rng.choice(WRAP[language]).format(SECRET[language].format(make()))
                yield {"group": "positive", "language": language, "kinds": {kind: 1}, "text": text}
    for kind in CHECKED:
        for _ in range(18):
            value = MAKE[kind]()
            text = pick(
                f'{{"id": 7, "value": "{value}", "active": true}}',
                f"7,{value},2024-05-03,open",
                f"7\t{value}\tyes",
                value,
            )
            yield {"group": "bare", "language": "", "kinds": {kind: 1}, "text": text}
        for language in LANGUAGES:
            for _ in range(4):
                said = rng.choice(SAID[kind][language]).format(changed(kind))
                yield {
                    "group": "near",
                    "language": language,
                    "kinds": {},
                    "text": rng.choice(WRAP[language]).format(said),
                }
    for make, said_by in NEGATIVE:
        for language in LANGUAGES:
            for _ in range(10):
                yield {"group": "negative", "language": language, "kinds": {}, "text": said_by[language].format(make())}


if __name__ == "__main__":
    for row in rows():
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
