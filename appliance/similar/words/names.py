"""Names that are names in any case and in every language here: a text that has one is about it.

Between two `;` one name, its forms and its adjectives. Names that are also common words (may, turkey, apple)
are not here: they are seen by their capital.
"""

NAMES = """
    afghanistan afghan; albania albanian; algeria algerian algerien algérie argelia; argentina argentinian
    argentine argentinien; armenia armenian; australia australian australien australie australie; austria
    austrian österreich autriche austriaco; bangladesh; belgium belgian belgien belgique bélgica belgio;
    bolivia; brazil brazilian brasil brasilien brésil brasile; bulgaria bulgarian bulgarien bulgarie; canada
    canadian kanada canadá; chile chilean; china chinese chine cina chinesisch chinois chino cinese; colombia
    colombian kolumbien colombie; croatia croatian kroatien croatie croacia croazia; cuba cuban kuba; cyprus
    zypern chypre chipre cipro; czechia czech tschechien tchéquie chequia; denmark danish dänemark danemark
    dinamarca danimarca; ecuador; egypt egyptian ägypten égypte egipto egitto; england english england englisch
    anglais inglés inglese angleterre inglaterra inghilterra; estonia; ethiopia; finland finnish finnland
    finlande finlandia; france french frankreich französisch français francés francese francia; georgia; germany
    german deutschland deutsch allemagne allemand alemania alemán germania tedesco; ghana; greece greek
    griechenland griechisch grèce grec grecia griego; hungary hungarian ungarn hongrie hungría ungheria; iceland
    icelandic island_land islande islandia islanda; india indian indien inde; indonesia indonesian indonesien
    indonésie; iran iranian; iraq iraqi irak; ireland irish irland irlande irlanda; israel israeli; italy
    italian italien italienisch italie italiano italia; jamaica; japan japanese japanisch japon japonais japón
    japonés giappone giapponese; jordan; kenya kenyan kenia; korea korean corea corée koreanisch; kuwait;
    latvia; lebanon lebanese; libya; lithuania; luxembourg luxemburg; malaysia malaysian; mexico mexican mexiko
    mexique méxico messico; morocco moroccan marokko maroc marruecos marocco; nepal; netherlands dutch
    niederlande holland pays_bas países_bajos; nigeria nigerian; norway norwegian norwegen norvège noruega
    norvegia; pakistan pakistani; palestine palestinian; peru peruvian perú; philippines filipino; poland
    polish_nation polen pologne polonia; portugal portuguese portugiesisch portugais portugués portoghese;
    qatar; romania romanian rumänien roumanie rumania; russia russian russland russisch russie russe rusia ruso
    russo; scotland scottish schottland écosse escocia scozia; serbia serbian; singapore singapur singapour;
    slovakia slovak slowakei; slovenia slovenian slowenien; spain spanish spanien spanisch espagne espagnol
    españa español spagna spagnolo; sweden swedish schweden suède suecia svezia; switzerland swiss schweiz
    suisse suiza svizzera; syria syrian; taiwan; thailand thai; tunisia; ukraine ukrainian; uruguay; venezuela;
    vietnam vietnamese; wales welsh; zimbabwe; arabic arabisch arabe árabe arabo; latin latein; hebrew hindi;
    urdu; mandarin; cantonese; swahili; bengali; tamil; esperanto; europe european europa; africa african
    afrika; asia asian asien; antarctica; california; florida; texas; alaska; hawaii; bavaria bayern; london
    londres londra; paris parigi; berlin berlín berlino; munich münchen múnich monaco_di_baviera; hamburg;
    frankfurt; cologne_city köln; stuttgart; leipzig; dresden; vienna wien vienne viena; zurich zürich; geneva
    genf genève; bern; rome rom roma; milan mailand milano; naples neapel nápoles napoli; turin torino; venice
    venedig venise venecia venezia; florence florenz firenze; bologna; madrid; barcelona barcelone; seville
    sevilla; valencia; lisbon lissabon lisboa lisbonne lisbona; porto; athens athen athènes atenas atene;
    dublin; edinburgh; manchester; liverpool; birmingham; glasgow; amsterdam; rotterdam; brussels brüssel
    bruxelles bruselas; copenhagen kopenhagen copenhague; stockholm; oslo; helsinki; warsaw warschau varsovie
    varsovia; krakow; prague prag praga; budapest; bucharest; sofia; moscow moskau moscou moscú mosca; kiev
    kyiv; istanbul; ankara; cairo kairo; jerusalem; baghdad; tehran; dubai; riyadh; mumbai; delhi; bangalore;
    chennai; kolkata; hyderabad; karachi; lahore; tokyo tokio; osaka; kyoto; seoul; beijing peking pékin pekín
    pechino; shanghai; hongkong; bangkok; jakarta; manila; sydney; melbourne; perth; auckland; toronto;
    montreal; vancouver; ottawa; boston; chicago; houston; dallas; seattle; miami; atlanta; denver;
    philadelphia; detroit; washington; lyon lione; marseille marsella marsiglia; toulouse; bordeaux; nantes;
    strasbourg; lille; nairobi; lagos; johannesburg; casablanca; lima; bogota bogotá; caracas; everest; sahara;
    danube donau; thames; nile; google googles; microsoft; facebook; instagram; whatsapp; twitter; youtube;
    tiktok; snapchat; linkedin; reddit; quora; pinterest; netflix; spotify; uber; airbnb; paypal; ebay; alibaba;
    samsung; huawei; xiaomi; nokia; sony; toyota; honda; nissan; mazda; hyundai; volkswagen vw; audi; bmw;
    mercedes; porsche; ferrari; tesla; volvo; renault; peugeot; fiat; boeing; airbus; ryanair; lufthansa; ikea;
    lidl; aldi; walmart; nike; adidas; nvidia; intel; amd; ibm; oracle_company; cisco; siemens; bosch; nasa;
    nato; unesco; wikipedia; android; iphone; ipad; macbook; imac; ios; macos; linux; ubuntu; debian; fedora;
    centos; redhat; playstation; xbox; nintendo; photoshop; powerpoint; onedrive; dropbox; gmail; outlook_mail;
    hotmail; yahoo; firefox; chrome_browser; chromium; safari_browser; wordpress; shopify; salesforce; github;
    gitlab; bitbucket; docker; kubernetes k8s; jenkins; ansible; terraform; nginx; apache_server; mysql;
    mariadb; postgresql postgres; mongodb; sqlite; redis; kafka; elasticsearch; javascript js; typescript;
    kotlin; haskell; fortran; cobol; perl; php; scala_language; django; laravel; pytorch; tensorflow; numpy;
    html; css; xml; json; yaml; csv; pdf; docx; xlsx; jpeg jpg; png; gif; svg; http; https; ftp; ssh; tcp; udp;
    usb; hdmi; bluetooth; gpt; chatgpt; openai; anthropic; gemini_model; einstein; newton; darwin; shakespeare;
    beethoven; mozart; picasso; napoleon; hitler; stalin; lenin; gandhi; mandela; obama; trump; biden; clinton;
    putin; merkel; macron; musk; bezos; zuckerberg; messi; ronaldo; federer; nadal; tolkien; rowling; goethe;
    dante; cervantes; columbus kolumbus; john; james; robert; michael; david; william; thomas; peter; paul;
    daniel; george; kevin; steve; brian; maria marie; anna; julia; laura; sarah; emma; sophia; lisa; susan;
    linda; elizabeth; jennifer; jessica; alice; carlos; pedro; juan; luis; miguel; javier; antonio; giovanni;
    giuseppe; marco; luca; francesco; giulia; chiara; hans; klaus; jürgen; wolfgang; pierre; jacques; françois;
    nicolas; camille; juliette; bitcoin btc; ethereum; rupee
    rupees; christmas weihnachten noël navidad natale; easter ostern pâques; ramadan; halloween; bible bibel;
    quran koran
"""
