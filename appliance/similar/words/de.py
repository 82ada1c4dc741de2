"""What the guards know of German."""

from appliance.similar.words.form import Words

_ANYONE = r"(?:ich|man|wir|du|sie|jemand|ihr|einer)"
_GOOD = (
    r"(?:(?:beste|besten|bester|einfachste|einfachsten|gute|guter|richtige|richtigen|möglichen|"
    r"verschiedene|einfache) )*"
)
_WAY = r"(?:weg|wege|möglichkeit|möglichkeiten|methode|methoden|art|weise|schritte|vorgehen|tipps|anleitung|verfahren)"
_TELL = (
    r"(?:(?:mir|uns) )?(?:bitte )?(?:(?:mir|uns) )?(?:(?:kurz|mal|einmal|bitte|vielleicht|genau) )*"
    r"(?:sagen|erklären|erläutern|verraten|zeigen|mitteilen|helfen|beschreiben|beantworten|weiterhelfen|beibringen)?"
)
_TENS = ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
_ONES = ["ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
_UNITS = (
    "null eins zwei drei vier fünf sechs sieben acht neun "
    "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
_SMALL = {
    **{word: value for value, word in enumerate(
        _UNITS.split()
    )},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
    **{f"{one}und{ten}": 10 * t + o for t, ten in enumerate(_TENS, start=2) for o, one in enumerate(_ONES, start=1)},
}  # fmt: skip
_HUNDREDS = {
    f"{one}hundert{rest}": 100 * o + value
    for o, one in [*enumerate(_ONES, start=1), (1, "")]
    for rest, value in [("", 0), *_SMALL.items()]
}

WORDS = Words(
    determiners="""
            der die das den dem des ein eine einen einem einer eines dieser diese dieses diesen diesem jener
            jene jenes jenen jenem mein meine meinen meinem meiner dein deine deinen deinem deiner sein seine seinen
            seinem seiner ihr ihre ihren ihrem ihrer unser unsere unseren unserem kein keine keinen keinem
            keiner welche welcher welches welchen
        """,
    governors={
        "in": "in im ins",
        "within": "innerhalb innerhalb_von binnen",
        "auf": "auf",
        "an": "an am ans",
        "bei": "bei beim",
        "zu": "zu zum zur nach",
        "from": "von vom aus ab seitens",
        "by": "durch",
        "for": "für fürs",
        "with": "mit mittels per",
        "than": "als",
        "about": "über bezüglich",
        "before": "vor bis",
        "after": "seit nachdem",
        "under": "unter unterhalb",
        "behind": "hinter",
        "beside": "neben",
        "near": "nahe in_der_nähe_von",
        "against": "gegen wider",
        "between": "zwischen",
        "wie": "wie",
        "during": "während",
        "without": "ohne",
        "because": "wegen aufgrund weil",
        "instead": "statt anstatt",
        "um": "um",
        "oberhalb": "oberhalb",
    },
    joiners="und oder sowie bzw beziehungsweise versus vs weder noch , / &",
    copulas="werden wird werde wurde wurden worden",
    empty="""
            ich mich mir wir uns du dich dir er ihn ihm sie es ihnen man jemand einer wer wen wem was wie wo
            wann warum wieso weshalb wozu woher wohin womit wodurch denn doch mal eigentlich etwa auch noch
            schon so dann da dass daß damit hier dort sich selbst eben halt nun also sehr ganz gar recht
            ziemlich wohl ja einfach gerade bitte habe hast hat haben habt hatte hatten hätte hätten bin
            bist ist sind seid war waren wäre wären sein werde wirst wird werden wurde wurden würde würden
            würdest können kann kannst könnt könnte könnten könntest soll sollen sollst sollte sollten
            sollten muss musst müssen müsste darf dürfen darfst dürfte mag mögen möchte möchten will wollen
            wollte lassen lässt lass tun tut tue geht gibt gib zum hin her ein aus auf an ab los irgendein
            irgendeine irgendwie was für art von etwas
        """,
    faint="""
            ding dinge sache sachen weise art möglichkeit möglichkeiten machen mache macht gemacht gehen
            geht funktionieren funktioniert geben gibt nehmen bekommen finden wissen sagen sehen gut gute
            guten gutes besser verschiedene möglich bestimmte wichtig mensch menschen leute person zeit tag
            beispiel frage antwort grund teil zahl anzahl viel viele neu neue neuen erklären beschreiben
            nennen zeigen liste bedeutung bedeuten bedeutet heißt heißen schaffen passiert passieren
            brauchen brauche braucht benötigen benötige
        """,
    light="machen gehen geben nehmen bekommen schaffen sagen wissen sehen brauchen benötigen",
    marks={
        "negation:not": """nicht nie niemals kein keine keinen keinem keiner keines nichts niemand nirgends
            nirgendwo ohne
            weder außer kaum statt anstatt nimmer keinesfalls keineswegs nicht_mehr vermeiden vermeide verhindern
            bis_auf ausgenommen mit_ausnahme_von mit_ausnahme_der mit_ausnahme_des abgesehen_von
            ausgeschlossen""",
        "negation:free": """befreit befreite befreiten befreiung steuerfrei steuerfreie steuerfreien zollfrei zollfreie
            zollfreien gebührenfrei beitragsfrei""",
        "quantifier:all": """alle alles aller allen jeder jede jedes jeden jedem sämtliche ganze ganzen immer
            jeweils überall sämtlicher sämtlichen weltweit landesweit systemweit ausnahmslos gesamte gesamten
            gesamtes ganzes ganzer""",
        "quantifier:other": """andere anderen anderer anderes anderem weitere weiteren weiterer weiteres sonst
            woanders""",
        "quantifier:through_day": "ganzen_tag",
        "quantifier:through_night": "ganze_nacht",
        "quantifier:through_morning": "ganzen_morgen ganzen_vormittag",
        "quantifier:through_afternoon": "ganzen_nachmittag",
        "quantifier:through_evening": "ganzen_abend",
        "quantifier:through_week": "ganze_woche",
        "quantifier:through_weekend": "ganze_wochenende",
        "quantifier:through_month": "ganzen_monat",
        "quantifier:through_year": "ganze_jahr ganzes_jahr",
        "quantifier:through_summer": "ganzen_sommer",
        "quantifier:through_winter": "ganzen_winter",
        "quantifier:partly": "teilweise teils",
        "quantifier:nearly": "fast beinahe nahezu",
        "quantifier:little": "wenig",
        "quantifier:alittle": "ein_wenig ein_bisschen",
        "quantifier:most": "meisten meistens mehrheit meist",
        "quantifier:many": "viele vielen mehrere mehreren zahlreiche oft häufig",
        "quantifier:few": "wenige wenigen selten einige_wenige",
        "quantifier:some": "manche manchen einige einigen ein_paar manchmal",
        "quantifier:only": "nur lediglich ausschließlich bloß allein",
        "quantifier:both": "beide beiden beides",
        "quantifier:half": "halb halbe halben hälfte",
        "quantifier:atleast": "mindestens wenigstens zumindest",
        "quantifier:atmost": "höchstens maximal bis_zu",
        "quantifier:over": "mehr_als über_ein",
        "quantifier:under": "weniger_als",
        "quantifier:about": "ungefähr etwa circa ca",
        "quantifier:exactly": "genau exakt",
        "modality:can": "kann können kannst könnt könnte könnten könntest",
        "modality:may": "darf dürfen darfst dürfte erlaubt",
        "modality:must": "muss musst müssen müsste müssten muß pflicht verpflichtet notwendig nötig erforderlich",
        "modality:should": "soll sollen sollst sollte sollten solltest ratsam empfehlenswert",
        "modality:want": "will wollen willst",
        "modality:optional": "freiwillig optional",
        "modality:seem": "scheint scheinen schien schienen angeblich anscheinend scheinbar vermeintlich",
        "modality:try": "versuche versucht versuchen versuchte versuchten",
        "format:json": "json",
        "format:yaml": "yaml",
        "format:xml": "xml",
        "format:csv": "csv",
        "format:markdown": "markdown",
        "format:table": "als_tabelle in_einer_tabelle tabellarisch",
        "format:list": "als_liste in_einer_liste",
        "format:bullets": "stichpunkte stichpunkten stichworte stichworten aufzählung",
        "format:paragraph": "absatz fließtext ganzen_sätzen vollständigen_sätzen",
        "format:sentence": "in_einem_satz ein_satz",
        "format:steps": "schritt_für_schritt",
        "format:short": "kurz knapp",
        "format:long": "ausführlich detailliert im_detail",
        "format:example": "mit_beispiel mit_einem_beispiel mit_beispielen ein_beispiel",
        "format:poem": "gedicht",
        "format:essay": "aufsatz",
        "tense:present": "ist sind bin hat haben gibt kann muss darf soll",
        "tense:past": """
            war waren warst wurde wurden hatte hatten gab ging kam kamen gewann schrieb baute erfand starb
            entstand begann fand hieß ließ lag nahm sah sprach stand traf trug verlor wusste dachte brachte
            konnte konnten musste mussten sollte_damals wollte wollten
            machte machten sagte sagten lebte lebten spielte spielten kostete kosteten arbeitete arbeiteten wohnte
            wohnten gehörte führte führten zeigte kaufte kauften verkaufte verkauften erreichte dauerte leitete
            leiteten gründete gründeten heiratete malte komponierte entwickelte entwickelten entdeckte entdeckten
            öffnete stellte setzte legte siegte diente kämpfte kämpften herrschte herrschten baute bauten aß tranken
            fuhr fuhren lief liefen schlief blieb blieben fiel fielen flog rief hielt schwamm sang trank saß standen
            kannte kannten nannte wuchs stieg stiegen sank schloss bekam bekamen schien trugen lagen sahen nahmen
            gingen gaben fanden starben begannen gewannen verloren sprachen schrieben hießen
        """,
        "condition:because": "weil",
        "condition:assoon": "sobald",
        "condition:aslong": "solange",
        "condition:sothat": "damit",
        "condition:provided": "sofern",
        "condition:if": "wenn falls ob angenommen vorausgesetzt",
        "condition:unless": "außer_wenn es_sei_denn",
        "condition:evenif": "obwohl trotz trotzdem auch_wenn obgleich",
        "time:before": "vor bevor vorher zuvor ehe",
        "time:after": "nach nachdem danach nachher hinterher",
        "time:during": "während",
        "time:until": "bis",
        "time:since": "seit seitdem",
        "time:yesterday": "gestern",
        "time:today": "heute",
        "time:tomorrow": "morgen",
        "time:dayafter": "übermorgen",
        "time:daybefore": "vorgestern",
        "time:now": "jetzt derzeit aktuell momentan zurzeit gegenwärtig",
        "time:next": "nächste nächsten nächster nächstes kommende kommenden",
        "time:last": "letzte letzten letzter letztes vorige vorigen vergangene vergangenen",
        "time:again": "wieder erneut nochmal",
        "time:already": "bereits",
        "time:passing": "vorübergehend zeitweise einstweilen",
        "degree:than": "als",
        "degree:er": """
            mehr weniger größer kleiner länger kürzer höher niedriger schneller langsamer besser schlechter
            älter jünger billiger günstiger teurer stärker schwächer heißer wärmer kälter schwerer leichter
            früher später
        """,
        "degree:est": """
            größte größten kleinste kleinsten längste längsten kürzeste höchste höchsten niedrigste
            schnellste schnellsten langsamste beste besten schlechteste schlechtesten älteste ältesten
            jüngste billigste billigsten günstigste günstigsten teuerste teuersten stärkste stärksten
            schwächste heißeste kälteste schwerste leichteste meisten
        """,
        "particle:still": "noch immer_noch",
        "particle:even": "sogar selbst",
        "particle:enough": "genug",
        "particle:ex": "ex ehemalige ehemaliger ehemaligen ehemaliges ehemals",
        "particle:deputy": "vize stellvertretende stellvertretender stellvertretenden",
        "person:i": "ich mich mir mein meine meinen meinem meiner meines",
        "person:we": "wir uns unser unsere unseren unserem",
        "person:you": "du dich dir dein deine deinen deinem deiner euch euer eure",
        "person:he": "er ihn ihm sein seine seinen seinem seiner seines",
        "person:she": "sie ihr ihre ihren ihrem ihrer",
        "person:they": "ihnen",
    },
    opposed="""
            zu_viel zu_viele zu_vielen überschuss übermaß | zu_wenig zu_wenige zu_wenigen mangel;
            übrig verbleibend verbleibende verbleibenden restliche restlichen frei | verbraucht aufgebraucht genommen
            genutzt abgelaufen;
            möglich erlaubt gestattet zulässig | unmöglich verboten untersagt unzulässig;
            hier | dort da; neben | gegenüber; umsonst kostenlos gratis | gegen_geld gegen_bezahlung kostenpflichtig;
            an | aus; ein | aus; vor bevor | nach nachdem; und | oder; wenn falls | außer_wenn es_sei_denn;
            mehr | weniger; meisten | wenigsten; öffnen offen öffnet geöffnet aufmachen | schließen
            geschlossen zu zumachen; maximum maximal maximale höchste höchster | minimum minimal minimale
            niedrigste niedrigster; erste ersten erster erstes zuerst anfang | letzte letzten letzter
            letztes zuletzt ende; importieren import einfuhr | exportieren export ausfuhr; aktivieren
            einschalten anschalten erlauben zulassen | deaktivieren ausschalten abschalten verbieten
            blockieren sperren; hochladen upload | herunterladen download; erhöhen steigern steigen wachsen
            zunehmen vergrößern | senken verringern reduzieren sinken schrumpfen abnehmen verkleinern;
            kaufen einkaufen kauf | verkaufen verkauf; starten beginnen anfangen start | stoppen beenden
            enden aufhören ende; hinzufügen einfügen anhängen | entfernen löschen; installieren |
            deinstallieren entfernen; verbinden koppeln | trennen entkoppeln; verschlüsseln | entschlüsseln;
            komprimieren packen | dekomprimieren entpacken; zeigen anzeigen einblenden | verstecken
            verbergen ausblenden; annehmen akzeptieren genehmigen zustimmen | ablehnen verweigern absagen;
            verleihen | leihen ausleihen; senden schicken geben | empfangen erhalten nehmen; drücken
            schieben | ziehen; links linke linken linker | rechts rechte rechten rechter; oben hoch hinauf
            aufwärts | unten runter hinunter abwärts; über oberhalb | unter unterhalb; innen innere drinnen
            | außen äußere draußen; einloggen anmelden login anmeldung | ausloggen abmelden logout
            abmeldung; vorne vorwärts | hinten rückwärts; hoch hohe hoher höher | niedrig niedrige tief
            niedriger; groß große großen großer größer größte | klein kleine kleinen kleiner kleinste; lang
            lange länger | kurz kurze kürzer; breit | schmal eng; dick | dünn; schnell schnelle schneller
            schnellste | langsam langsame langsamer langsamste; gut gute guter besser beste | schlecht
            schlechte schlechter schlechteste; vorteil vorteile | nachteil nachteile; stärken | schwächen;
            heiß warm warme wärmer | kalt kalte kälter kühl; alt alte alten älter | neu neue neuen jung
            junge jünger; früh früher | spät später; leicht einfach einfache leichter | schwer schwierig
            schwere schwerer; billig günstig billiger günstiger | teuer teure teurer; hell | dunkel; stark
            starke | schwach schwache; sicher | unsicher gefährlich; legal erlaubt | illegal verboten; wahr
            richtig | falsch; positiv positive | negativ negative; gleich gleiche | verschieden
            unterschiedlich; öffentlich öffentliche | privat private; kostenlos gratis | kostenpflichtig;
            voll | leer; nass | trocken; lebend lebendig | tot; reich | arm; glücklich | traurig
            unglücklich; lieben mögen | hassen; freund freunde | feind feinde; mann männer vater sohn bruder
            junge könig ehemann er | frau frauen mutter tochter schwester mädchen königin ehefrau; gewinnen
            sieg gewinn | verlieren niederlage verlust; erfolg bestehen | misserfolg scheitern durchfallen;
            angreifen angriff | verteidigen verteidigung; immer | nie niemals; alle | keiner; tag | nacht;
            morgens | abends; heute | gestern morgen; gestern | morgen; ja | nein; eingabe eingang | ausgabe
            ausgang; lesen | schreiben; quelle | ziel; eltern | kind kinder; frage | antwort; aufsteigend |
            absteigend; horizontal waagerecht | vertikal senkrecht; gerade | ungerade; ankunft ankommen |
            abfahrt abflug abreise abfahren; einnahmen einkommen | ausgaben; arbeitgeber | arbeitnehmer;
            lehrer | schüler; arzt | patient; vermieter | mieter; einstellen anstellen | entlassen kündigen;
            heiraten | scheiden scheidung; sparen speichern | ausgeben; bauen erstellen | zerstören
            abreißen; einfrieren gefrieren | auftauen schmelzen; abonnieren | abbestellen; plus | minus;
            addieren | subtrahieren; multiplizieren | dividieren; fest | flüssig; säure | base; sommer |
            winter; nord norden nördlich | süd süden südlich; ost osten östlich | west westen westlich;
            statisch | dynamisch; lokal | entfernt; manuell | automatisch; online | offline; ledig |
            verheiratet; singular | plural; aktiv | passiv; vorübergehend | dauerhaft; laut | leise;
            natürlich | künstlich; schuldig | unschuldig; angebot | nachfrage; ursache | wirkung; geburt
            geboren | tod gestorben; einzahlen | abheben auszahlen; absender | empfänger; verkäufer | käufer
            kunde; roh | gekocht; süß | sauer; hart | weich; sauber | schmutzig; wach | schlafen; erinnern |
            vergessen; lehren | lernen; sichern | wiederherstellen; mit | ohne; innerhalb | außerhalb; hin |
            zurück; brutto | netto; kommen | gehen; vegetarisch vegan | fleisch; vergrößern | verkleinern;
            zunehmen | abnehmen; inland | ausland; einzahl | mehrzahl
        """,
    same="""
            auto wagen pkw; telefon handy smartphone mobiltelefon; foto bild fotos; film kinofilm; fernseher
            tv; beruf job arbeit; firma unternehmen betrieb; kaufen erwerben; reparieren beheben
            instandsetzen; anfangen beginnen starten; beenden abschließen; löschen entfernen; kosten preis;
            geld bargeld; fehler problem; arzt doktor; anwalt rechtsanwalt; urlaub ferien; reise trip;
            wohnung apartment; aufzug fahrstuhl lift; müll abfall; email e_mail mail; webseite website
            homepage internetseite; wlan wifi; rechner computer pc; laptop notebook; app anwendung programm;
            passwort kennwort; einloggen anmelden; ausloggen abmelden; einrichten konfigurieren;
            aktualisieren updaten; ändern wechseln verändern; bauen errichten; bekommen erhalten; wählen
            auswählen aussuchen; erstellen anlegen erzeugen; nutzen benutzen verwenden gebrauchen; brauchen
            benötigen; schnell rasch; schwierig schwer; einfach leicht; groß riesig; wichtig bedeutend;
            bekannt berühmt; schön hübsch; krank unwohl; krankheit leiden; medikament arznei medizin;
            prüfung klausur examen; universität uni hochschule; schüler schülerin; lehrer lehrerin; stadt
            ort; land staat; usa vereinigte_staaten amerika; eu europäische_union; ki
            künstliche_intelligenz; methode verfahren; lernen erlernen; erhöhen steigern; senken reduzieren
            verringern; verbessern optimieren; erlauben gestatten; verbieten untersagen; versuchen
            probieren; antworten beantworten; laden geschäft shop; abnehmen gewicht_verlieren; kochen
            zubereiten; fahrrad rad; kühlschrank; sofa couch; straße; gehalt lohn; mitarbeiter angestellter;
            chef vorgesetzter; geschenk; berechnen ausrechnen; umwandeln konvertieren umrechnen; kopieren
            duplizieren; datei dokument; ordner verzeichnis; übersetzen übersetzung; zusammenfassen
            zusammenfassung; vergleichen vergleich; empfehlen vorschlagen; unterschied unterschiede
            unterscheiden; bedeutung bedeuten bedeutet heißt definition; vorteil vorzug; nachteil; ergebnis
            resultat; ziel zweck; geschehen passieren; sprechen reden; anzeigen darstellen; hinzufügen
            ergänzen; herunterladen downloaden; hochladen uploaden; zurücksetzen reset; samstag sonnabend;
            kartoffel erdapfel; brötchen semmel; januar jänner; aufheben beseitigen; verdienen einkommen
        """,
    siblings={
        "speech": """
            bitten/erbitten/erbitte/verlangen/verlange anbieten/anbiete annehmen/annehme
            ablehnen/ablehne/ausschlagen/ausschlage
        """,
        "channel": "online persönlich telefonisch schriftlich mündlich",
        "bereaved": "witwe/witwen witwer/witwers/witwern",
        "colour": """
            rot/rote/roten/roter blau/blaue/blauen grün/grüne/grünen gelb/gelbe/gelben orange lila/violett
            rosa/pink braun/braune schwarz/schwarze/schwarzen weiß/weiße/weißen grau/graue gold silber
        """,
        "weekday": "montag montags/montag dienstag mittwoch donnerstag freitag samstag/sonnabend sonntag wochenende",
        "month": "januar februar märz april mai juni juli august september oktober november dezember",
        "season": "frühling/frühjahr sommer herbst winter",
        "daytime": "vormittag mittag nachmittag abend nacht mitternacht",
        "relative": """
            mutter/mama vater/papa bruder schwester sohn tochter onkel tante großmutter/oma großvater/opa
            cousin neffe nichte ehemann ehefrau freundin
        """,
        "period": """
            sekunde/sekunden minute/minuten stunde/stunden tag/tage/tagen/täglich woche/wochen/wöchentlich
            monat/monate/monaten/monatlich quartal jahr/jahre/jahren/jährlich jahrzehnt jahrhundert
        """,
        "meal": "frühstück mittagessen abendessen nachtisch",
        "animal": """
            hund/hunde katze/katzen pferd/pferde kuh/kühe schwein/schweine schaf/schafe ziege huhn/hühner
            ente/enten kaninchen/hase maus/mäuse ratte/ratten löwe/löwen tiger elefant/elefanten bär/bären
            wolf/wölfe fuchs/füchse schlange/schlangen vogel/vögel fisch/fische hai/haie wal/wale
            biene/bienen spinne/spinnen frosch affe/affen pinguin adler schmetterling mücke/mücken hamster
        """,
        "food": """
            apfel/äpfel banane/bananen birne/birnen orange/orangen zitrone/zitronen traube/trauben
            erdbeere/erdbeeren tomate/tomaten kartoffel/kartoffeln karotte/karotten/möhren zwiebel/zwiebeln
            knoblauch reis nudeln/pasta brot käse butter milch ei/eier fleisch rindfleisch schweinefleisch
            lachs zucker salz pfeffer honig schokolade kaffee tee bier wein wasser saft pizza suppe salat
            kuchen
        """,
        "body": """
            kopf gesicht auge/augen ohr/ohren nase mund zahn/zähne hals schulter/schultern arm/arme
            hand/hände finger brust rücken bauch/magen bein/beine knie fuß/füße zehe knöchel handgelenk
            ellbogen haut haare/haar herz leber niere/nieren lunge gehirn knochen blut
        """,
        "material": """
            gold silber bronze kupfer eisen stahl aluminium blei zink zinn nickel titan quecksilber holz
            glas plastik/kunststoff papier stein leder baumwolle wolle seide
        """,
        "element": """
            wasserstoff helium sauerstoff stickstoff kohlenstoff natrium kalium kalzium magnesium chlor
            schwefel phosphor uran lithium methan ethanol/alkohol ammoniak
        """,
        "planet": "merkur venus erde mars jupiter saturn uranus neptun pluto mond sonne",
        "job": """
            arzt/ärztin krankenschwester/pfleger lehrer anwalt ingenieur pilot polizist feuerwehrmann
            bauer/landwirt klempner elektriker zahnarzt buchhalter architekt schauspieler sänger
            schriftsteller/autor maler präsident kanzler könig königin minister bürgermeister richter
        """,
        "sport": """
            fußball basketball tennis golf hockey rugby volleyball handball schwimmen laufen/joggen
            radfahren boxen schach badminton skifahren
        """,
        "instrument": "gitarre klavier geige schlagzeug flöte trompete saxophon cello harfe",
        "vehicle": """
            auto/autos bus/busse zug/züge/bahn flugzeug fahrrad/rad schiff/boot lkw/lastwagen motorrad taxi
            straßenbahn hubschrauber fähre roller
        """,
        "direction": "norden/nördlich süden/südlich osten/östlich westen/westlich",
        "subject": """
            mathematik/mathe physik chemie biologie geschichte geographie/erdkunde wirtschaft philosophie
            psychologie medizin jura informatik
        """,
        "illness": """
            grippe erkältung krebs diabetes asthma malaria masern kopfschmerzen fieber husten depression
            angst schlaganfall allergie migräne
        """,
        "shape": "kreis quadrat dreieck rechteck würfel kugel zylinder kegel pyramide",
        "quantity": """
            fläche volumen umfang radius durchmesser höhe breite länge tiefe gewicht/masse dichte
            geschwindigkeit temperatur druck alter einwohnerzahl/bevölkerung preis
        """,
        "statistic": "summe durchschnitt/mittelwert median varianz produkt",
        "document": """
            rechnung quittung vertrag reisepass/pass visum führerschein personalausweis zeugnis ticket
            garantie passwort benutzername adresse konto bestellung
        """,
        "device": """
            laptop handy/smartphone tablet drucker scanner monitor tastatur maus router kamera fernseher
            mikrofon lautsprecher kopfhörer kühlschrank backofen/ofen spülmaschine waschmaschine
        """,
        "code": """
            string integer float liste/listen array tupel dictionary menge klasse funktion variable schleife
            datei ordner tabelle spalte zeile index branch commit datenbank
        """,
    },
    irregular="""
            sein ist sind war waren gewesen bin; haben hat hatte hatten gehabt habe; gehen geht ging gingen
            gegangen gehe; kommen kommt kam kamen gekommen komme; nehmen nimmt nahm genommen nehme; geben
            gibt gab gegeben gebe; sehen sieht sah gesehen sehe; essen isst aß gegessen esse; trinken trank
            getrunken trinke; schreiben schrieb geschrieben schreibe schreibt; lesen liest las gelesen lese;
            sprechen spricht sprach gesprochen spreche; finden fand gefunden finde findet; gewinnen gewann
            gewonnen; verlieren verlor verloren; bringen brachte gebracht; denken dachte gedacht; wissen
            weiß wusste gewusst; schlafen schläft schlief geschlafen; fahren fährt fuhr gefahren fahre;
            fliegen flog geflogen; laufen läuft lief gelaufen; schließen schloss geschlossen; beißen biss
            gebissen beißt; ziehen zog gezogen; werfen wirft warf geworfen; sterben stirbt starb gestorben;
            helfen hilft half geholfen; treffen trifft traf getroffen; tragen trägt trug getragen; schlagen
            schlägt schlug geschlagen; fangen fängt fing gefangen; erfinden erfand erfunden; entstehen
            entstand entstanden; beginnen begann begonnen; verstehen verstand verstanden; lassen lässt ließ
            gelassen; bleiben blieb geblieben; steigen stieg gestiegen; kennen kannte gekannt; leihen lieh
            geliehen; bieten bot geboten; mann männer; kind kinder; haus häuser; buch bücher; stadt städte;
            land länder; wort wörter; wald wälder; baum bäume; zahn zähne; hand hände; maus mäuse; vogel
            vögel; apfel äpfel; zug züge; ball bälle; arzt ärzte; bruder brüder; mutter mütter; vater väter;
            tochter töchter; hemd hemden
        """,
    negated="un nicht miss miß in ir il non des anti",
    units={
        "km": "km kilometer kilometern kmh",
        "m": "meter metern",
        "cm": "cm zentimeter",
        "mm": "mm millimeter",
        "mile": "meile meilen",
        "inch": "zoll",
        "kg": "kg kilogramm kilo kilos",
        "g": "gramm",
        "mg": "mg milligramm",
        "lb": "pfund",
        "tonne": "tonne tonnen",
        "l": "liter litern",
        "ml": "ml milliliter",
        "celsius": "celsius",
        "fahrenheit": "fahrenheit",
        "%": "prozent",
        "points": "prozentpunkt prozentpunkte prozentpunkten",
        "permille": "promille",
        "usd": "dollar usd",
        "eur": "euro euros eur",
        "chf": "franken chf",
        "gbp": "gbp",
        "jpy": "yen",
        "cent": "cent",
        "ms": "ms millisekunden",
        "s": "sekunde sekunden sek",
        "min": "minute minuten min",
        "h": "stunde stunden std",
        "kb": "kb kilobyte",
        "mb": "mb megabyte",
        "gb": "gb gigabyte",
        "tb": "tb terabyte",
        "kw": "kw kilowatt",
        "w": "watt",
        "v": "volt",
        "hz": "hz hertz",
        "hectare": "hektar",
        "degree": "grad",
        "calorie": "kalorien kcal",
        "dayunit": "tage tagen",
        "week": "wochen",
        "month": "monate monaten",
        "year": "jahre jahren",
    },
    numbers={
        **{word: value for word, value in _SMALL.items() if word != "ein"},
        **_HUNDREDS,
        "dritte": 3,
        "dritten": 3,
        "vierte": 4,
        "vierten": 4,
        "fünfte": 5,
        "fünften": 5,
        "sechste": 6,
        "siebte": 7,
        "achte": 8,
        "neunte": 9,
        "zehnte": 10,
        "zweite": 2,
        "zweiten": 2,
        "zweiter": 2,
        "dutzend": 12,
        "doppelt": 2,
        "dreifach": 3,
        "einmal": 1,
        "zweimal": 2,
        "dreimal": 3,
        "zwo": 2,
        "erste": 1,
        "ersten": 1,
        "erster": 1,
        "erstes": 1,
        "anderthalb": 1,
    },
    multipliers={
        "hundert": 100,
        "tausend": 1000,
        "million": 10**6,
        "millionen": 10**6,
        "milliarde": 10**9,
        "milliarden": 10**9,
    },
    framing=(
        r"(?:falls|wenn) das (?:jetzt )?eine (?:\S+ )?frage ist(?: ,)?(?: aber)?",
        r"das ist mir (?:jetzt |etwas |sehr |wirklich )*peinlich(?: ,)?(?: aber)?",
        r"ich vergesse (?:es|das) (?:ständig|immer|jedes mal)(?= [!.,:;]+ | $)",
        r"(?:dringend|hilfe|notfall|es eilt(?: sehr)?|es ist (?:sehr |wirklich )?dringend)(?= [!.,:;]+ | $)",
        (
            r"(?:bitte|hallo|hi|hey|guten (?:tag|morgen|abend)|servus|moin|danke|vielen dank|also|okay|ok|"
            r"so|nun|kurze frage|"
            r"frage|ich habe (?:eine|mal eine) (?:kurze )?frage(?: zu)?|entschuldigung|sorry|zusammen|liebes team|mal)"
        ),
        (
            rf"(?:können|könnten|kannst|könntest|würden|würdest|kann|könnte) (?:sie|du|ihr|jemand|mir "
            rf"jemand|uns jemand) {_TELL}"
            r"(?: über)?"
        ),
        (
            r"(?:sag|sage|sagen|erklär|erkläre|erklären|verrate|verraten|zeig|zeige|zeigen|beschreib|"
            r"beschreibe|beschreiben|"
            r"erläutere|erläutern|hilf|helfen|nenne?|nennen)(?: sie)?(?: mir| uns)?(?: bitte| mal| kurz)*"
        ),
        (
            r"(?:ich|wir) (?:würde|würden|möchte|möchten|will|wollen|hätte) (?:gerne?|gern)?(?: ?gerne?)?(?: ?mal)? ?"
            r"(?:wissen|erfahren|verstehen|lernen|fragen)"
        ),
        (
            r"(?:ich|wir) (?:frage mich|fragen uns|wüsste gerne?|wüssten gerne?|weiß nicht|verstehe nicht|muss wissen|"
            r"brauche (?:hilfe|rat|informationen)(?: (?:bei|mit|zu|über|beim))?|bin (?:mir )?(?:nicht sicher|unsicher)|"
            r"interessiere mich(?: dafür)?|habe mich gefragt)"
        ),
        r"(?:mich|uns) (?:würde|interessiert|interessieren)(?: interessieren)?",
        (
            r"(?:weißt du|wissen sie|weiß jemand|wisst ihr|hast du eine ahnung|haben sie eine ahnung|kennt jemand)"
            r"(?: vielleicht| zufällig)?"
        ),
        r"(?:darf|dürfte|kann) ich (?:sie |dich )?(?:mal )?fragen",
        r"(?:wäre es möglich|ist es möglich)(?: mir)? zu (?:sagen|erklären)",
        r"es wäre (?:nett|toll|schön) wenn (?:sie|du) mir (?:sagen|erklären) (?:könnten|könntest)",
    ),
    closing=(
        (
            r"(?:bitte|danke|vielen dank|danke schön|dankeschön|danke im voraus|im voraus|wissen|für mich|"
            r"sagen|erklären|"
            r"eigentlich|denn|genau|lg|gruß|viele grüße|weiterhelfen|helfen)"
        ),
    ),
    kinds=(
        (r"liste(?: mir| uns)?(?= (?:den|die|das) (?:\S+ ){1,3}(?:von|der|des) )", "what"),
        (
            (
                rf"(?:was|welche|welches|welcher) (?:ist|sind|wäre|wären|gibt es)(?: (?:der|die|das|eine|"
                rf"ein))? ?{_GOOD}{_WAY}"
                rf"(?: (?:um|zu|zum|zur|für|wie {_ANYONE}|von|{_ANYONE}))?"
            ),
            "how",
        ),
        (rf"(?:gibt es|existiert) (?:eine|einen|ein) {_GOOD}{_WAY}(?: (?:um|zu|zum|für|wie {_ANYONE}))?", "how"),
        (
            (
                rf"(?:wie|auf welche weise|auf welche art|wodurch) (?:kann|könnte|soll|sollte|können|sollen|"
                rf"muss|darf|würde|lässt|"
                rf"lassen|schaffe|schafft|gehe|geht)(?: {_ANYONE})?(?: sich| am besten| es)*(?: am besten)?"
            ),
            "how",
        ),
        (rf"wie {_ANYONE}(?: am besten)?", "how"),
        (rf"(?:was|wie) (?:muss|soll|sollte|kann) {_ANYONE} (?:tun|machen) um", "how"),
        (
            (
                r"(?:warum|wieso|weshalb|wozu|aus welchem grund|was ist der grund(?: dafür)?(?: dass| für| "
                r"warum)?|wie kommt es dass|"
                r"was sind die (?:gründe|ursachen)(?: für| von)?|was ist die ursache(?: für| von)?)"
            ),
            "why",
        ),
        (
            (
                r"(?:wie ?viele?|wie hoch ist die (?:zahl|anzahl)(?: der)?|was ist die (?:zahl|anzahl)(?: der)?|"
                r"welche anzahl|was(?= (?:kostet|kosten) )|wie(?= teuer ))"
            ),
            "count",
        ),
        (r"(?:wie lange|wie viel zeit|wieviel zeit)", "duration"),
        (r"wie (?:oft|häufig)", "frequency"),
        (r"wie(?= (?:weit|alt|groß|hoch|schwer|tief|schnell|heiß|kalt|breit|stark|gut|schlecht|schwierig) )", "extent"),
        (
            (
                r"(?:wann|um wie ?viel uhr|um welche uhrzeit|zu welcher zeit|an welchem (?:tag|datum)|in "
                r"welchem (?:jahr|monat))"
            ),
            "when",
        ),
        (r"(?:woher)", "whence"),
        (r"(?:wohin)", "whither"),
        (r"(?:wo|an welchem (?:ort|platz)|in welchem ort)", "where"),
        (r"(?:wen|wem)", "whom"),
        (r"(?:wer|welche person|von wem)", "who"),
        (r"wessen", "whose"),
        (r"was (?:wäre )?wenn", "whatif"),
        (rf"(?:ist es|wäre es) möglich(?: dass {_ANYONE})?", "polar can"),
        (rf"(?:kann|könnte|können) {_ANYONE}", "polar can"),
        (rf"(?:darf|dürfen|dürfte) {_ANYONE}", "polar may"),
        (rf"(?:muss|müssen|müsste) {_ANYONE}", "polar must"),
        (rf"(?:soll|sollte|sollten|sollen) {_ANYONE}", "polar should"),
        (r"(?:was für (?:ein|eine|einen)|was|welche|welcher|welches|welchen)", "what"),
        (r"wie", "how"),
    ),
    kind_words={
        "how": "wie",
        "why": "warum wieso weshalb",
        "when": "wann",
        "where": "wo",
        "who": "wer",
        "whom": "wen wem",
        "whose": "wessen",
        "whence": "woher",
        "whither": "wohin",
        "what": "was welche welcher welches welchen",
    },
    yes_no="""ist sind war waren bin hat haben hatte kann können könnte soll sollte sollten muss müssen darf dürfen wird
        werden wurde wurden gibt geht will funktioniert lohnt braucht brauche macht""",
    contractions={
        "gibts": "gibt es",
        "geht's": "geht es",
        "gehts": "geht es",
        "gibt's": "gibt es",
        "ich's": "ich es",
        "hab": "habe",
        "nen": "einen",
        "ne": "eine",
        "n": "ein",
        "wieviel": "wie viel",
        "wieviele": "wie viele",
        "zuhause": "zu hause",
    },
    comma_decimal=True,
    nouns_capital=True,
    verbs_move=True,
    link="und",
    objects="wen wem welchen welchem",
    gradable="kleine große alte junge lange kurze dicke dünne breite schmale hohe niedrige tiefe heiße kalte warme "
    "schwere leichte starke schwache helle dunkle weiche harte umgekehrte falsche virtuelle elektrische rohe "
    "gefrorene wilde gekochte gebratene",
    anyone="man jemand irgendjemand",
    families="""
        reif/reife reifen; mal male; rat/rate raten; masse/massen maße; kraft kräften; buch/bücher buche/buchen;
        schal/schals schale/schalen; fall/fälle falle/fallen; lager/lagern lage/lagen; tau taue; kohl kohle/kohlen;
        wand/wände wandern; rind/rinder rinde/rinden; not/nöte note/noten; akt/akte akten; ball/bälle ballen;
        last/lasten laster; grab/gräber graben
    """,
    agent="from",
    separable="zurück ein aus an ab auf hinzu herunter hoch um vor weg zu los mit nach bei fest frei her "
    "hin runter rauf",
    haves="haben hat habe hast habt",
    participle=r"ge\w{2,}(?:t|en)|\w{3,}iert|(?:be|ver|er|ent|zer)\w{2,}(?:t|en)|\w+ge\w{2,}(?:t|en)",
    infinitive=r"(?:be|ver|er|ent|zer)\w+en|ge(?:ben|hen|winnen|nießen|lten|schehen|hören|lingen|fallen|nügen|stalten|"
    r"währen|langen|stehen)",
    wills="wird werden werde wirst werdet",
    past=r"\w{3,}ierten?",
)
