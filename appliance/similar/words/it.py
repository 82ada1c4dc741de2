"""What the guards know of Italian."""

from appliance.similar.words.form import Words

_ANYONE = r"(?:io|si|qualcuno|noi|tu|uno)"
_GOOD = r"(?:(?:migliore|migliori|buon|buona|buoni|semplice|facile|diversi|diverse|più facile|più semplice) )*"
_WAY = r"(?:modo|modi|maniera|maniere|metodo|metodi|passi|passaggi|procedura|consigli|trucchi|via)"
_VERB = (
    r"(?:dire|spiegare|mostrare|indicare|descrivere|aiutare|insegnare|chiarire|dir|spiegar|mostrar|"
    r"indicar|aiutar)(?:mi|ci)?"
)
_ONES = ["uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"]
_TENS = ["venti", "trenta", "quaranta", "cinquanta", "sessanta", "settanta", "ottanta", "novanta"]
_UNITS = (
    "zero x due tre quattro cinque sei_numero sette otto nove "
    "dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove"
)
_SMALL = {
    **{word: value for value, word in enumerate(
        _UNITS.split()
    ) if word != "x"},
    **{ten: 10 * t for t, ten in enumerate(_TENS, start=2)},
    **{(ten[:-1] if one in {"uno", "otto"} else ten) + one: 10 * t + o
        for t, ten in enumerate(_TENS, start=2) for o, one in enumerate(_ONES, start=1)},
}  # fmt: skip

WORDS = Words(
    determiners="""
            il lo la i gli le l' un uno una un' questo questa questi queste quest' quello quella quel quei
            quegli quelle mio mia miei mie tuo tua tuoi tue suo sua suoi sue nostro nostra nostri nostre
            vostro vostra loro alcuni alcune
        """,
    governors={
        "of": "di d' del della dello dei degli delle dell'",
        "in": "in nel nella nello nei nelle negli nell' dentro",
        "on": "su sul sulla sullo sui sulle sugli sull'",
        "to": "a ad al alla allo ai agli alle all' verso",
        "from": "da dal dalla dallo dai dalle dagli dall'",
        "for": "per",
        "with": "con tramite mediante",
        "than": "che",
        "within": "entro",
        "before": "prima_di",
        "after": "dopo dopo_di",
        "under": "sotto sotto_a",
        "over": "sopra sopra_a al_di_sopra_di",
        "behind": "dietro dietro_a",
        "front": "davanti davanti_a",
        "beside": "accanto_a",
        "near": "vicino_a",
        "out": "fuori_da",
        "against": "contro",
        "between": "tra fra",
        "come": "come",
        "during": "durante",
        "without": "senza",
        "because": "perché_causa a_causa_di",
        "instead": "invece_di al_posto_di",
        "about": "riguardo circa",
    },
    joiners="e ed o oppure versus vs né , / &",
    copulas="è sono era erano fu furono stato stata stati state viene vengono essere venne vennero sarà",
    empty="""
            io mi me noi ci tu ti te voi vi lui lei esso essa loro si ne lo che chi cosa cos' quale quali
            qual quando dove dov' come com' perché quanto quanta quanti quante se no sì molto anche già
            ancora così allora poi dunque è sono era erano fu essere stato stata sei siamo siete c' ha ho
            hai hanno abbiamo avete aveva avere può posso puoi possono possiamo potete potrebbe potrei
            potresti potere deve devo devi devono dobbiamo dovrebbe dovrei dovresti dovere bisogna fa fare
            faccio va vado andare vuole voglio volere vorrei vorrebbe piacerebbe qui qua lì là qualche
            qualcosa qualcuno davvero proprio stesso stessa viene vengono sta stanno sto semplicemente
        """,
    faint="""
            cosa cose modo maniera fare fatto dare mettere sapere dire vedere buono buona migliore diverso
            diversi possibile certo importante persona persone gente tempo giorno tipo esempio esempi nuovo
            nuova trovare bisogno significa significare significato definizione spiegare descrivere mostrare
            elenco lista domanda risposta motivo ragione parte numero funziona funzionare succede accade
            utile serve
        """,
    light="fare dare mettere dire sapere vedere",
    marks={
        "negation:not": """non mai niente nulla nessuno nessun nessuna senza né neanche nemmeno neppure tranne
            eccetto fuorché ad_eccezione_di a_eccezione_di escluso esclusi esclusa eccezion_fatta_per invece_di
            al_posto_di evitare smettere""",
        "negation:free": """esente esenti esonerato esonerati esonerata esonerate esenzione dispensato dispensati
            dispensata""",
        "quantifier:all": """
            tutto tutti tutta tutte ogni ognuno sempre qualsiasi ciascuno ciascuna ciascun intero intera
            interi intere qualunque dappertutto
        """,
        "quantifier:other": "altro altra altri altre altrove",
        "quantifier:through_day": "tutto_il_giorno",
        "quantifier:through_night": "tutta_la_notte",
        "quantifier:through_morning": "tutta_la_mattina",
        "quantifier:through_afternoon": "tutto_il_pomeriggio",
        "quantifier:through_evening": "tutta_la_sera",
        "quantifier:through_week": "tutta_la_settimana",
        "quantifier:through_month": "tutto_il_mese",
        "quantifier:through_year": "tutto_l'_anno",
        "quantifier:partly": "parzialmente in_parte",
        "quantifier:nearly": "quasi",
        "quantifier:little": "poco poca",
        "quantifier:alittle": "un_poco un_po' un_po",
        "quantifier:most": "la_maggior_parte maggioranza maggior_parte di_solito",
        "quantifier:many": "molti molte numerosi parecchi spesso",
        "quantifier:few": "pochi poche raramente",
        "quantifier:some": "alcuni alcune talvolta a_volte qualche",
        "quantifier:only": "solo soltanto solamente unicamente unico unica esclusivamente",
        "quantifier:both": "entrambi entrambe",
        "quantifier:half": "metà mezzo mezza",
        "quantifier:atleast": "almeno minimo_di",
        "quantifier:atmost": "al_massimo fino_a",
        "quantifier:over": "più_di",
        "quantifier:under": "meno_di",
        "quantifier:exactly": "esattamente precisamente",
        "modality:can": "può posso puoi possono possiamo potete potrebbe potrei potresti potrebbero",
        "modality:may": "permesso consentito forse",
        "modality:must": "deve devo devi devono dobbiamo dovete bisogna obbligatorio obbligato necessario",
        "modality:should": "dovrebbe dovrei dovresti dovremmo consigliabile conviene",
        "modality:want": "vuole vogliono voglio vuoi",
        "modality:optional": "facoltativo opzionale",
        "modality:seem": "sembra sembrano sembrava pare apparentemente presumibilmente",
        "modality:try": "prova_a provano_a provare_a provato_a cerca_di cercano_di cercare_di cercato_di tentare_di",
        "format:json": "json",
        "format:yaml": "yaml",
        "format:xml": "xml",
        "format:csv": "csv",
        "format:markdown": "markdown",
        "format:table": "in_una_tabella come_tabella tabella",
        "format:list": "in_un_elenco come_elenco come_lista in_una_lista",
        "format:bullets": "punti_elenco elenco_puntato",
        "format:paragraph": "paragrafo paragrafi frasi_complete",
        "format:sentence": "in_una_frase una_sola_frase una_frase",
        "format:steps": "passo_passo passo_dopo_passo",
        "format:short": "brevemente in_breve",
        "format:long": "in_dettaglio nel_dettaglio dettagliatamente dettagliata dettagliato",
        "format:example": "con_un_esempio con_esempi con_esempio un_esempio",
        "format:poem": "poesia",
        "format:essay": "saggio",
        "tense:present": "è sono ha hanno fa",
        "tense:past": """era erano fu furono aveva avevano ebbe fece disse venne nacque morì vinse scrisse
            inventò scoprì vide prese mise rispose scese perse corse lesse visse nacquero ebbero vennero dissero fecero
            presero morirono costruì finì sentì partì divenne diventò dipinse vinsero""",
        "tense:future": "sarà saranno avrà avranno farà faranno potrà potranno dovrà dovranno verrà andrà vincerà",
        "condition:because": "poiché dato_che siccome",
        "condition:assoon": "appena non_appena",
        "condition:sothat": "affinché",
        "condition:provided": "purché a_patto_che",
        "condition:case": "nel_caso",
        "condition:sincewhen": "da_quando",
        "condition:if": "se qualora",
        "condition:unless": "salvo_se a_meno_che salvo_che tranne_se",
        "condition:evenif": "anche_se sebbene nonostante benché malgrado",
        "time:before": "prima prima_di",
        "time:after": "dopo dopo_di poi successivamente",
        "time:during": "durante mentre",
        "time:until": "finché fino",
        "time:since": "dal_momento",
        "time:yesterday": "ieri",
        "time:today": "oggi",
        "time:tomorrow": "domani",
        "time:now": "ora adesso attualmente",
        "time:ago": "fa_tempo",
        "time:next": "prossimo prossima prossimi prossime",
        "time:last": "ultimo ultima ultimi ultime scorso scorsa passato",
        "time:again": "di_nuovo nuovamente",
        "time:already": "già",
        "time:passing": "temporaneamente provvisoriamente",
        "time:yet": "ancora",
        "degree:er": "più meno meglio peggio migliore peggiore migliori peggiori maggiore minore",
        "particle:even": "perfino persino addirittura",
        "particle:ex": "ex",
        "particle:deputy": "vice",
        "particle:too": "troppo troppa troppi troppe",
        "particle:enough": "abbastanza",
        "person:i": "io mi me mio mia miei mie",
        "person:we": "noi ci nostro nostra nostri nostre",
        "person:you": "tu ti te tuo tua tuoi tue voi vi vostro vostra",
        "person:he": "lui egli",
        "person:theirs": "suo sua suoi sue",
        "person:she": "lei ella",
        "person:they": "loro essi",
    },
    opposed="""
            troppo troppa troppi troppe eccesso | troppo_poco troppa_poca troppo_pochi troppo_poche carenza scarsità;
            rimanente rimanenti restante restanti | usato usati goduto goduti consumato consumati trascorso;
            possibile permesso consentito | impossibile vietato proibito;
            qui qua | lì là; vicino_a | lontano_da lontano; accanto_a | di_fronte_a; gratis gratuito | pagando;
            prima prima_di | dopo dopo_di; e ed | o oppure; più | meno; aprire aperto aperta | chiudere
            chiuso chiusa; massimo massima | minimo minima; primo prima primi | ultimo ultima ultimi;
            importare importazione | esportare esportazione; attivare accendere abilitare permettere |
            disattivare spegnere disabilitare vietare bloccare; caricare | scaricare; aumentare incrementare
            crescere | diminuire ridurre calare; comprare acquistare acquisto | vendere vendita; iniziare
            cominciare inizio avviare | finire terminare fine fermare; aggiungere inserire | rimuovere
            togliere eliminare cancellare; installare | disinstallare; collegare connettere | scollegare
            disconnettere; cifrare crittografare | decifrare decrittografare; comprimere | decomprimere
            estrarre; mostrare | nascondere; accettare approvare | rifiutare respingere; prestare |
            prendere_in_prestito; inviare mandare spedire dare | ricevere prendere; spingere | tirare;
            sinistra sinistro | destra destro; su sopra alto | giù sotto basso; dentro interno | fuori
            esterno; davanti avanti | dietro indietro; alto alta | basso bassa; grande grosso | piccolo
            piccola; lungo lunga | corto corta breve; largo | stretto; spesso | sottile; veloce velocemente
            rapido | lento lenta lentamente; buono buona migliore bene meglio | cattivo cattiva peggiore
            male peggio; vantaggio vantaggi pro | svantaggio svantaggi contro; caldo calda | freddo fredda;
            vecchio vecchia antico | nuovo nuova giovane; presto | tardi; facile semplice | difficile
            complicato; economico | caro costoso; chiaro | scuro; leggero leggera | pesante; forte | debole;
            sicuro sicura | pericoloso insicuro; legale | illegale; vero giusto corretto | falso sbagliato;
            positivo | negativo; uguale stesso | diverso differente; pubblico pubblica | privato privata;
            gratis gratuito | pagamento; pieno | vuoto; bagnato umido | secco asciutto; vivo viva | morto
            morta; ricco ricca | povero povera; felice | triste infelice; amare | odiare; amico amici |
            nemico nemici; uomo uomini padre figlio fratello ragazzo re marito lui | donna donne madre
            figlia sorella ragazza regina moglie lei; vincere vittoria | perdere sconfitta; successo
            superare | fallimento fallire; attaccare attacco | difendere difesa; sempre | mai; giorno |
            notte; mattina | sera; oggi | ieri domani; ieri | domani; sì | no; entrata ingresso entrare |
            uscita uscire; leggere | scrivere; cliente | server; origine | destinazione; genitori | figli;
            domanda | risposta; crescente ascendente | decrescente discendente; orizzontale | verticale;
            pari | dispari; arrivo arrivare | partenza partire; credito | debito; guadagno profitto |
            perdita; entrate reddito | spese uscite; datore | dipendente; insegnante professore | studente
            alunno; medico | paziente; proprietario | inquilino; assumere | licenziare; sposare matrimonio |
            divorziare divorzio; risparmiare | spendere; creare costruire | distruggere demolire; congelare
            | scongelare; sommare | sottrarre; moltiplicare | dividere; solido | liquido; acido | base;
            estate | inverno; nord | sud; est | ovest; statico | dinamico; locale | remoto; manuale
            manualmente | automatico automaticamente; online | offline; celibe nubile | sposato sposata;
            singolare | plurale; attivo | passivo; temporaneo | permanente; rumoroso | silenzioso; naturale
            | artificiale; colpevole | innocente; offerta | richiesta; causa | effetto; nascita nascere |
            morte morire; depositare versare | prelevare ritirare; mittente | destinatario; venditore |
            acquirente; crudo | cotto; dolce | salato amaro; duro | morbido; pulito | sporco; svegliare |
            addormentare; ricordare | dimenticare; insegnare | imparare; con | senza; lordo | netto; andare
            | venire tornare; dimagrire | ingrassare; inspirare | espirare; acceso | spento
        """,
    same="""
            macchina auto automobile; telefono cellulare smartphone telefonino; foto immagine fotografia;
            film pellicola; tv televisione televisore; lavoro impiego occupazione; azienda ditta impresa
            società; riparare aggiustare; iniziare cominciare; finire terminare concludere; cancellare
            eliminare; rimuovere togliere; costo prezzo costare costa; soldi denaro; errore sbaglio;
            problema guaio; medico dottore; avvocato; bambino bimbo; vacanza vacanze ferie; viaggio;
            appartamento; ascensore; spazzatura rifiuti immondizia; email e_mail mail; sito_web sito; wifi
            wi_fi; computer pc; app applicazione; password parola_chiave; configurare impostare; cambiare
            modificare; costruire edificare; ottenere ricevere; scegliere selezionare; creare realizzare;
            usare utilizzare adoperare; veloce rapido; velocemente rapidamente; difficile complicato; facile
            semplice; grande grosso; famoso conosciuto noto; bello carino; malato; malattia; medicina
            farmaco medicinale; esame prova; università ateneo; studente alunno; insegnante professore
            docente; città; paese nazione; stati_uniti usa america; ue unione_europea; ia
            intelligenza_artificiale; metodo procedimento; imparare apprendere studiare; aumentare
            incrementare; ridurre diminuire; migliorare ottimizzare; permettere consentire; vietare
            proibire; provare tentare; rispondere; negozio bottega; dimagrire perdere_peso; cucinare
            preparare; bicicletta bici; frigorifero frigo; divano sofà; strada via; stipendio salario paga;
            dipendente impiegato; capo responsabile; regalo dono; calcolare; convertire trasformare; copiare
            duplicare; file documento; cartella directory; tradurre traduzione; riassumere riassunto;
            confrontare confronto paragonare; consigliare suggerire; differenza differenze; significato
            significare significa definizione; vantaggio; svantaggio; risultato; obiettivo scopo; succedere
            accadere capitare; parlare discutere; aggiungere inserire; reimpostare ripristinare resettare;
            vivere abitare; paura timore; divertente buffo; acquistare comprare; guidare condurre; prendere
            pigliare
        """,
    siblings={
        "speech": """
            chiedere/chiedo/chiede/richiedere/richiedo offrire/offro/offre accettare/accetto/accetta
            rifiutare/rifiuto/rifiuta/declinare/declino
        """,
        "channel": "online di_persona per_telefono per_iscritto",
        "gender": "ragazzi ragazze",
        "offspring": "figli figlie",
        "learner": "studenti studentesse",
        "mind": "mente/menti mento",
        "colour": """
            rosso/rossa blu azzurro verde giallo/gialla arancione viola rosa marrone nero/nera bianco/bianca
            grigio/grigia oro argento
        """,
        "weekday": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        "month": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "season": "primavera estate autunno inverno",
        "daytime": "mattina/mattino mezzogiorno pomeriggio sera notte mezzanotte",
        "relative": """
            madre/mamma padre/papà fratello sorella figlio figlia zio zia nonna nonno cugino cugina nipote
            marito moglie
        """,
        "period": """
            secondo/secondi minuto/minuti ora/ore giorno/giorni settimana/settimane mese/mesi trimestre
            anno/anni decennio secolo
        """,
        "meal": "colazione pranzo cena dolce merenda",
        "animal": """
            cane/cani gatto/gatti cavallo/cavalli mucca/mucche maiale/maiali pecora capra gallina/pollo
            anatra coniglio/conigli topo/topi ratto leone/leoni tigre elefante orso/orsi lupo/lupi volpe
            serpente/serpenti uccello/uccelli pesce/pesci squalo balena ape/api ragno/ragni rana scimmia
            pinguino aquila farfalla zanzara criceto
        """,
        "food": """
            mela/mele banana/banane pera/pere arancia/arance limone/limoni uva fragola/fragole
            pomodoro/pomodori patata/patate carota/carote cipolla/cipolle aglio riso pasta pane formaggio
            burro latte uovo/uova carne maiale salmone zucchero sale pepe miele cioccolato caffè tè birra
            vino acqua succo pizza zuppa insalata torta
        """,
        "body": """
            testa viso/faccia occhio/occhi orecchio/orecchie naso bocca dente/denti collo spalla
            braccio/braccia mano/mani dito/dita petto schiena stomaco/pancia gamba/gambe ginocchio/ginocchia
            piede/piedi caviglia polso gomito pelle capelli cuore fegato rene/reni polmone/polmoni cervello
            osso/ossa sangue
        """,
        "material": """
            oro argento bronzo rame ferro acciaio alluminio piombo zinco stagno nichel titanio mercurio
            legno vetro plastica carta pietra pelle_materiale cotone lana seta
        """,
        "element": """
            idrogeno elio ossigeno azoto carbonio sodio potassio calcio magnesio cloro zolfo fosforo uranio
            litio metano etanolo/alcol ammoniaca
        """,
        "planet": "venere terra marte giove saturno urano nettuno plutone luna sole",
        "job": """
            medico/dottore infermiere/infermiera insegnante/professore avvocato ingegnere pilota cuoco
            poliziotto pompiere agricoltore idraulico elettricista dentista contabile/commercialista
            architetto attore cantante scrittore/autore pittore presidente cancelliere re regina ministro
            sindaco giudice
        """,
        "sport": "calcio basket/pallacanestro tennis golf hockey rugby pallavolo nuoto ciclismo pugilato scacchi sci",
        "instrument": "chitarra pianoforte violino batteria flauto tromba sassofono violoncello arpa",
        "vehicle": """
            auto/macchina autobus/bus treno/treni aereo/aerei bicicletta/bici nave/barca camion moto taxi
            tram elicottero traghetto
        """,
        "direction": "nord sud est ovest",
        "subject": """
            matematica fisica chimica biologia storia geografia economia filosofia psicologia medicina
            giurisprudenza/diritto informatica
        """,
        "illness": """
            influenza raffreddore cancro/tumore diabete asma malaria morbillo febbre tosse depressione ansia
            ictus allergia emicrania
        """,
        "shape": "cerchio quadrato triangolo rettangolo cubo sfera cilindro cono piramide",
        "quantity": """
            area/superficie volume perimetro raggio diametro altezza larghezza lunghezza profondità
            peso/massa densità velocità temperatura pressione età popolazione prezzo
        """,
        "statistic": "somma media mediana varianza prodotto",
        "document": """
            fattura ricevuta contratto passaporto visto patente certificato biglietto garanzia utente
            indirizzo conto ordine
        """,
        "device": """
            portatile telefono/cellulare tablet stampante scanner monitor tastiera router fotocamera
            televisore microfono altoparlante cuffie frigorifero forno lavastoviglie lavatrice
        """,
        "code": """
            stringa intero lista/liste array tupla dizionario insieme classe funzione variabile ciclo file
            cartella tabella colonna riga indice ramo commit
        """,
    },
    irregular="""
            essere è sono era stato; avere ha ho hanno hai avuto; andare va vado vanno andato; fare fa
            faccio fanno fatto; potere può posso possono potuto; dovere deve devo devono; volere vuole
            voglio vogliono; dire dice dico detto; vedere vede vedo visto; venire viene vengo venuto; tenere
            tiene tengo; mettere mette metto messo; prendere prende prendo preso presa; leggere legge leggo
            letto letta; scrivere scrive scrivo scritto scritta scrisse; aprire apre apro aperto aperta;
            chiudere chiude chiudo chiuso chiusa; bere beve bevo bevuto; vincere vince vinco vinto vinse;
            perdere perde perdo perso; morire muore morto_di morì; nascere nasce nato nata nacque; vivere
            vive vivo_io vissuto; scegliere sceglie scelgo scelto; rispondere risponde risposto; chiedere
            chiede chiedo chiesto; correre corre corso_di; mordere morde morso mordono; rompere rompe rotto;
            tradurre traduce traduco tradotto; ridurre riduce riduco ridotto; costruire costruisce
            costruisco costruito; pulire pulisce pulisco; finire finisce finisco; capire capisce capisco;
            togliere toglie tolgo tolto; spegnere spegne spengo spento; uscire esce esco; rimuovere rimuove
            rimosso; uomo uomini; uovo uova; dito dita; braccio braccia; città; amico amici; pagare pago
            paga; cercare cerco cerca; usare uso usa usano; creare creo crea; scoprire scopre scoperto
            scoprì; installare installo installa installato; mangiare mangia mangio; cambiare cambio cambia;
            inviare invio invia; dipingere dipinse dipinto dipinge
        """,
    negated="in im ir il dis s de anti non",
    units={
        "km": "km chilometro chilometri",
        "m": "metro metri",
        "cm": "cm centimetro centimetri",
        "mm": "mm millimetri",
        "mile": "miglio miglia",
        "inch": "pollice pollici",
        "kg": "kg chilogrammo chilogrammi chilo chili",
        "g": "grammo grammi",
        "mg": "mg milligrammi",
        "lb": "libbra libbre",
        "tonne": "tonnellata tonnellate",
        "l": "litro litri",
        "ml": "ml millilitri",
        "celsius": "celsius",
        "fahrenheit": "fahrenheit",
        "%": "per_cento percento percentuale",
        "points": "punto_percentuale punti_percentuali",
        "permille": "per_mille",
        "usd": "dollaro dollari usd",
        "eur": "euro eur",
        "gbp": "sterlina sterline",
        "jpy": "yen",
        "chf": "chf franchi",
        "cent": "centesimo centesimi",
        "ms": "ms millisecondi",
        "s": "secondi sec",
        "min": "minuto minuti min",
        "h": "ora ore",
        "dayunit": "giorni",
        "week": "settimana settimane",
        "month": "mese mesi",
        "year": "anno anni",
        "kb": "kb kilobyte",
        "mb": "mb megabyte",
        "gb": "gb gigabyte",
        "w": "watt",
        "v": "volt",
        "hectare": "ettaro ettari",
        "degree": "grado gradi",
        "calorie": "calorie kcal",
    },
    numbers={
        **{word: value for word, value in _SMALL.items() if "_" not in word},
        "sei": 6,
        "terzo": 3,
        "terza": 3,
        "quarto": 4,
        "quarta": 4,
        "quinto": 5,
        "quinta": 5,
        "sesto": 6,
        "settimo": 7,
        "ottavo": 8,
        "nono": 9,
        "decimo": 10,
        "primo": 1,
        "primi": 1,
        "seconda": 2,
        "dozzina": 12,
        "doppio": 2,
        "triplo": 3,
        "duecento": 200,
        "trecento": 300,
        "quattrocento": 400,
        "cinquecento": 500,
        "seicento": 600,
        "settecento": 700,
        "ottocento": 800,
        "novecento": 900,
        "duemila": 2000,
        "tremila": 3000,
    },
    multipliers={
        "cento": 100,
        "mille": 1000,
        "mila": 1000,
        "milione": 10**6,
        "milioni": 10**6,
        "miliardo": 10**9,
        "miliardi": 10**9,
    },
    framing=(
        r"se è una domanda (?:stupida|sciocca|banale|ovvia)(?: ,)?(?: ma)?",
        r"mi vergogno (?:un po' )?a chieder(?:lo|e)(?: ,)?(?: ma)?",
        r"(?:me )?lo dimentico sempre(?= [!.,:;]+ | $)",
        r"(?:urgente|aiuto|è (?:molto )?urgente|ho (?:molta )?fretta)(?= [!.,:;]+ | $)",
        (
            r"(?:per favore|per piacere|ciao|salve|buongiorno|buonasera|buon giorno|grazie|allora|dunque|ok|"
            r"bene|scusi|scusa|"
            r"scusate|una domanda|domanda|ho una (?:domanda|curiosità)(?: su| sul| sulla)?|a tutti|ragazzi|"
            r"gentile|gentili|cortesemente)"
        ),
        (
            rf"(?:mi |ci )?(?:puoi|può|potresti|potrebbe|potete|potreste|vuoi|sapresti|saprebbe|sai|"
            rf"sapete)(?: qualcuno)?"
            rf"(?: per favore)?(?: {_VERB})(?: per favore)?(?: a(?: capire)?)?"
        ),
        rf"qualcuno (?:mi |ci )?(?:può|potrebbe|sa|saprebbe)(?: {_VERB})?",
        (
            r"(?:dimmi|mi dica|spiegami|mi spieghi|spiega|spieghi|mostrami|mi mostri|indicami|descrivi|"
            r"descriva|aiutami(?: a)?|"
            r"mi aiuti(?: a)?|raccontami|ricordami|dammi|mi dia)(?: per favore)?"
        ),
        (
            r"(?:vorrei|voglio|mi piacerebbe|desidero|desidererei|avrei bisogno di|ho bisogno di|vorremmo|devo) "
            r"(?:sapere|conoscere|capire|imparare|chiedere|chiederle|chiederti|comprendere)"
        ),
        (
            r"(?:mi chiedo|mi chiedevo|mi domando|non so|non capisco|sto cercando di (?:capire|sapere)|sono "
            r"curioso di sapere|"
            r"sono curiosa di sapere|volevo (?:sapere|chiedere)|ho bisogno di (?:aiuto|consigli|informazioni)"
            r"(?: (?:per|con|su|sul|sulla))?)"
        ),
        r"(?:sai|sa|sapete|qualcuno sa|lei sa|avete idea di|hai idea di|ha idea di|qualche idea su|sapresti|saprebbe)",
        r"(?:posso|potrei) (?:chiedere|chiederle|chiederti|sapere)",
        r"(?:è possibile|sarebbe possibile) (?:sapere|che mi (?:dica|spieghi))",
        r"(?:puoi|può|potresti|potrebbe|potete)(?: per favore)?",
    ),
    closing=(
        (
            r"(?:per favore|per piacere|grazie|grazie mille|molte grazie|in anticipo|esattamente|per me|se "
            r"possibile|saluti|"
            r"cordiali saluti|cortesemente)"
        ),
    ),
    kinds=(
        (
            (
                r"(?:nomina|elenca|cita|indica)(?= (?:il|lo|la|i|gli|le|l') (?:\S+ ){1,3}"
                r"(?:di|del|della|dei|delle|dell') )"
            ),
            "what",
        ),
        (
            (
                r"(?:perché|perche|per quale motivo|per quale ragione|come mai|"
                r"qual è (?:il motivo|la ragione|la causa)(?: per cui| di| del| della)?|quali sono (?:i "
                r"motivi|le ragioni|le cause)"
                r"(?: per cui| di| del| della)?)"
            ),
            "why",
        ),
        (
            (
                rf"(?:qual|quale|quali|che) (?:è|sono|sarebbe|sarebbero)(?: (?:il|la|i|le|un|una))? "
                rf"?{_GOOD}{_WAY}(?: {_GOOD})?"
                r"(?: ?(?:per|di|in cui))?"
            ),
            "how",
        ),
        (
            (
                rf"(?:c' è|ci sono|esiste|esistono) (?:qualche|un|una|dei|delle) {_GOOD}{_WAY}(?: {_GOOD})?(?: "
                rf"?(?:per|di))?"
            ),
            "how",
        ),
        (
            (
                r"(?:come|in che modo|in quale modo|com') (?:posso|può|possiamo|si può|si possono|puoi|"
                r"potrei|potrebbe|devo|si deve|"
                r"dovrei|faccio a|faccio per|si fa a|si fa per|fare a|fare per|riesco a|fai a)(?: (?:io|qualcuno|uno))?"
                r"(?: fare per)?"
            ),
            "how",
        ),
        (rf"(?:come|in che modo)(?: {_ANYONE})?", "how"),
        (r"com'", "how"),
        (r"(?:che )?cosa (?:devo|posso|si deve|bisogna|dovrei) fare per", "how"),
        (r"(?:quanto tempo|quanto dura|per quanto tempo)", "duration"),
        (r"(?:con che frequenza|ogni quanto|quante volte|quanto spesso)", "frequency"),
        (r"(?:quanto|quanta|quanti|quante|qual è il numero di|che numero di)", "count"),
        (r"(?:qual|quale) è il(?= (?:prezzo|costo) )", "count"),
        (r"(?:quando|a che ora|in che (?:data|giorno|anno|mese)|in quale (?:anno|giorno)|che giorno)", "when"),
        (r"(?:da dove)", "whence"),
        (r"(?:dove|dov'|in che (?:luogo|posto)|in quale (?:luogo|posto))", "where"),
        (r"(?:chi|quale persona)", "who"),
        (r"(?:è|sarebbe) possibile", "polar can"),
        (r"(?:posso|si può|possiamo|può uno|potrei|si possono)", "polar can"),
        (r"(?:devo|si deve|bisogna|è necessario|dobbiamo)", "polar must"),
        (r"(?:dovrei|dovremmo|conviene)", "polar should"),
        (r"(?:che cosa|che cos'|cos'|cosa|che|quale|quali|qual)", "what"),
    ),
    kind_words={
        "how": "come",
        "why": "perché",
        "when": "quando",
        "where": "dove",
        "who": "chi",
        "count": "quanto quanta quanti quante",
        "what": "cosa quale quali qual",
    },
    yes_no="è sono c' ci può posso possono deve devo dovrebbe ha hanno era esiste funziona serve conviene sarà",
    contractions={
        "xké": "perché",
        "perchè": "perché",
        "cmq": "comunque",
        "qual'è": "qual è",
        "perfavore": "per favore",
        "nn": "non",
    },
    elided=True,
    comma_decimal=True,
    verbs_move=True,
    link="e",
    real="capello capelli cappello cappelli cammino cammini",
    objects="a_chi",
    gradable="piccolo grande vecchio giovane lungo corto grosso sottile largo stretto alto basso profondo caldo "
    "freddo pesante leggero forte debole chiaro scuro morbido duro inverso falso virtuale elettrico crudo surgelato "
    "selvatico cotto arrosto",
    anyone="uno qualcuno si",
    agreement={
        "i": "posso devo voglio ho vado sto faccio vorrei potrei dovrei",
        "you": "puoi devi vuoi hai sei vai stai fai vorresti potresti dovresti potete dovete volete avete siete",
        "we": "possiamo dobbiamo vogliamo abbiamo siamo andiamo stiamo facciamo potremmo dovremmo",
        "others": "può deve vuole ha va sta fa potrebbe dovrebbe possono devono vogliono hanno vanno stanno",
    },
    families="""
        resto resti; occhio/occhi occhiale/occhiali; membra membro/membri; legno/legni legna; frutto/frutti frutta;
        gesto/gesti gesta; porto/porti porta/porte; colpo/colpi colpa/colpe; pasto/pasti pasta; costo/costi costa/coste;
        foglio/fogli foglia/foglie; banco/banchi banca/banche; collo/colli colla/colle; monte/monti monta;
        parte/parti parto; torto/torti torta/torte; busto/busti busta/buste; cassetto/cassetti cassetta/cassette;
        gambo/gambi gamba/gambe; tappo/tappi tappa/tappe; volto/volti volta/volte; pianto pianta/piante
    """,
    agent="from",
    haves="ha ho hanno hai abbiamo avete",
    participle=r"\w{2,}(?:ato|ata|ati|ate|uto|uta|uti|ute|ito|ita|iti|ite)|fatto|detto|visto|scritto|aperto|"
    r"messo|letto|preso|perso|corso|sceso|chiuso|deciso|rotto|prodotto|tradotto|condotto|vinto|dipinto|nato|nata|"
    r"morto|morta|stato|stata|rimasto|visto|chiesto|risposto|scelto|tolto|speso|acceso|offerto|scoperto",
    past=r"(?!(?:però|ciò|perciò|può|oblò|cosicciò)$)\w{2,}(?:ò|arono|irono|erono|avano|evano|ivano)|"
    r"(?!(?:schi|la|bra|fa|ba|otta|o|gra)va$)\w{2,}ava|(?!\w*leva$)\w{3,}eva|"
    r"(?!\w*(?:tti|arri|deri|oli|ri|vi|gengi|sali|sti|pri|si|ati|iti)va$)\w{2,}iva|\w{2,}sentiva|partiva|vestiva",
    future=r"\w{2,}(?:rà|ranno|rò|remo|rai)",
)
