"""What must not share an answer does not, and what only dresses a question does not matter: in five languages."""

from __future__ import annotations

import pytest

from appliance.similar.guards import objections
from appliance.similar.reading import read

# guard that must be among those that object ("": any), language, two texts.
DIFFERENT = """
 | en | How do I re-sign a contract? | How do I resign a contract?
 | en | Where do I see a black bird? | Where do I see a blackbird?
condition | en | Can I return shoes because they are worn? | Can I return shoes as soon as they are worn?
condition | de | Kann ich zahlen, weil es regnet? | Kann ich zahlen, sobald es regnet?
condition | fr | Puis-je payer parce que tu viens ? | Puis-je payer dès que tu viens ?
condition | es | ¿Puedo pagar porque vienes? | ¿Puedo pagar para que vengas?
modality | es | ¿Cuándo quiero pagar el alquiler? | ¿Cuándo puedo pagar el alquiler?
opposed | fr | Quand est-il possible de payer ? | Quand est-il interdit de payer ?
opposed | es | ¿Cuándo es posible pagar? | ¿Cuándo está prohibido pagar?
opposed | it | Quando è possibile pagare? | Quando è vietato pagare?
person | fr | Comment puis-je le contacter ? | Comment puis-je la contacter ?
person | es | ¿Cómo lo ayudo a pagar? | ¿Cómo la ayudo a pagar?
person | it | Come lo aiuto a pagare? | Come la aiuto a pagare?
spelling | en | Where is the pole? | Where is the Pole?
roles | en | Why did he stop to smoke? | Why did he stop smoking?
roles | en | Will she remember to lock the door? | Will she remember locking the door?
sibling | en | Why am I so boring? | Why am I so bored?
sibling | en | Is the actor confusing? | Is the actor confused?
order | en | Which animals does the owl eat? | Which animals eat the owl?
order | en | Which company did Fiat take over? | Which company took over Fiat?
order | en | Where is the cat that saw the dog? | Where is the cat that the dog saw?
roles | en | By whom was Pompey killed? | Who was killed by Pompey?
roles | en | Why does he hurt himself? | Why does he hurt him?
quantifier | en | Is it true that few birds winter here? | Is it true that a few birds winter here?
quantifier | en | Can only my son vote? | Can my son only vote?
quantifier | en | Do not all members vote? | Do all members not vote?
quantifier | en | Which cities have exactly 100 schools? | Which cities have about 100 schools?
direction | en | Is there a letter for my mother? | Is there a letter from my mother?
direction | en | How do I call a friend? | How do I call for a friend?
direction | en | Should I look at the children? | Should I look into the children?
tense | en | What happens if Rome falls? | What would have happened if Rome had fallen?
entity | en | Is iPhone 14 worth the money? | Is iPhone 14 Pro worth the money?
order | en | Is A better than B? | Is B better than A?
 | en | Who is the director of the bank? | Who is the directory of the bank?
 | en | How does lighting work? | How does lightning work?
 | en | Can I register the car again? | Can I register the car?
roles | de | Welchen Feldherrn besiegte Saladin? | Welcher Feldherr besiegte Saladin?
roles | de | Wo ist der Arzt, der den Pfleger sah? | Wo ist der Arzt, den der Pfleger sah?
spelling | de | Was bedeutet Masse? | Was bedeutet Maße?
 | de | Was verdient eine Lehrerin? | Was verdient ein Lehrer?
roles | fr | Qui est-ce que Pompey a battu ? | Qui est-ce qui a battu Pompey ?
sibling | fr | Que dire à votre voisin ? | Que dire à votre voisine ?
direction | fr | Y a-t-il un livre sur ma mère ? | Y a-t-il un livre de ma mère ?
roles | es | ¿A quién derrotó Pompey? | ¿Quién derrotó a Pompey?
sibling | es | ¿Qué le digo a mi vecino? | ¿Qué le digo a mi vecina?
roles | it | Da chi è stato tradito Spartacus? | Chi è stato tradito da Spartacus?
number | en | How do I boil an egg for 5 minutes? | How do I boil an egg for 7 minutes?
number | en | What is twenty percent of 300? | What is thirty percent of 300?
number | en | What changed in Python 3.10? | What changed in Python 3.1?
number | en | Who won the 2014 World Cup? | Who won the 2018 World Cup?
number | en | Remind me of the meeting at 5 pm | Remind me of the meeting at 5 am
number | en | What happened on 2024-03-05? | What happened on 2024-05-03?
number | en | What is the second law of thermodynamics? | What is the third law of thermodynamics?
number | en | What is -5 in Fahrenheit? | What is 5 in Fahrenheit?
unit | en | How far is 5 km? | How far is 5 miles?
unit | en | Is $20 enough for lunch? | Is €20 enough for lunch?
unit | en | How long does a 5 km run take? | How long does a 5000 m run take?
sign | en | What is 7 + 3? | What is 7 * 3?
negation | en | Should I use a password manager? | Should I not use a password manager?
negation | en | Why does my printer print? | Why doesn't my printer print?
negation | en | How do I cook rice with a lid? | How do I cook rice without a lid?
negation | en | Is this mushroom edible? | Is this mushroom inedible?
negation | en | Which people have visited the moon? | Which people have never visited the moon?
quantifier | en | Do all birds fly? | Do some birds fly?
quantifier | en | Are all planets round? | Are most planets round?
quantifier | en | Can I only pay by card? | Can I pay by card?
quantifier | en | What takes at least two hours? | What takes at most two hours?
modality | en | Can I wear white to a wedding? | Must I wear white to a wedding?
modality | en | Should I tip the driver? | Can I tip the driver?
modality | en | The server may restart | The server must restart
tense | en | Who is the president of France? | Who was the president of France?
tense | en | Did the shop open? | Will the shop open?
tense | en | Who invents the telephone? | Who invented the telephone?
tense | en | When does the train leave? | When did the train leave?
condition | en | What happens if I pay late? | What happens unless I pay late?
time | en | What was the weather yesterday? | What was the weather tomorrow?
time | en | Can I eat before a blood test? | Can I eat after a blood test?
degree | en | Which is the bigger city, Rome or Milan? | Which is the biggest city, Rome or Milan?
opposed | en | How do I turn on airplane mode? | How do I turn off airplane mode?
opposed | en | How do I enable two-factor login? | How do I disable two-factor login?
opposed | en | Is tea or coffee healthier? | Is tea and coffee healthier?
opposed | en | What is the maximum of the list? | What is the minimum of the list?
opposed | en | How do I import contacts? | How do I export contacts?
opposed | en | How do I upload a photo? | How do I download a photo?
opposed | en | Why is my bill more expensive? | Why is my bill cheaper?
opposed | en | Is it healthier to eat more meat? | Is it healthier to eat less meat?
opposed | en | Was hypertension found? | Was hypotension found?
sibling | en | How do I wash a red shirt? | How do I wash a blue shirt?
sibling | en | Is the office open on Monday? | Is the office open on Tuesday?
sibling | en | What is the area of a circle? | What is the perimeter of a circle?
sibling | en | How many days are in a year? | How many weeks are in a year?
kind | en | Why does bread rise? | How does bread rise?
kind | en | When was Hamlet written? | Where was Hamlet written?
kind | en | Who is Mercury? | Where is Mercury?
person | en | Does he like her cooking? | Does she like his cooking?
person | en | Is this my fault? | Is this your fault?
quote | en | What does `git pull` do? | What does `git push` do?
code | en | What does ls -a show? | What does ls -A show?
code | en | What is in /etc/hosts? | What is in /etc/passwd?
code | en | How do I call get_user()? | How do I call get_users()?
code | en | What is in setup.py? | What is in setup.cfg?
code | en | How do I install C++? | How do I install C#?
quote | en | Translate "good morning" into German | Translate "good evening" into German
entity | en | What is the capital of France? | What is the capital of Spain?
entity | en | what is the population of paris | what is the population of madrid
entity | en | Who founded Hooli? | Who founded Initech?
entity | en | How old is Donald Trump? | How old is Melania Trump?
entity | en | Where is South Korea? | Where is Korea?
entity | en | What does NASA do? | What does ESA do?
direction | en | How do I get from Rome to Milan? | How do I get from Milan to Rome?
direction | en | How do I convert PDF to Word? | How do I convert Word to PDF?
direction | en | Is there a train to Lyon? | Is there a train from Lyon?
order | en | Does the dog bite the man? | Does the man bite the dog?
order | en | Is a tomato a fruit? | Is a fruit a tomato?
 | en | Is Java faster than Python? | Is Python faster than Java?
roles | en | The dog bites the man | The dog is bitten by the man
roles | en | The man is bitten by the dog | The dog is bitten by the man
substituted | en | How do I clean a carburettor? | How do I clean a humidifier?
roles | en | My boss fired me | I fired my boss
number | en | Summarize the first chapter | Summarize the chapter
substituted | en | What is the fastest way to the airport? | What is the cheapest way to the airport?
degree | en | Which plan is cheaper? | Which plan is cheapest?
direction | en | Is the key under the mat? | Is the key on the mat?
tense | en | I am going to apply | I applied
quantifier | en | most of the cake | all of the cake
kind | en | How much is the fish? | How many fish are there?
kind | de | Wer hat Arsenal geschlagen? | Wen hat Arsenal geschlagen?
order | es | ¿Mi hijo es mayor que mi hija? | ¿Mi hija es mayor que mi hijo?
 | it | Anna ha chiamato Pietro? | Pietro ha chiamato Anna?
tense | it | Il treno è arrivato? | Il treno arriverà?
person | fr | Où est sa voiture ? | Où est ma voiture ?
number | de | Wie koche ich ein Ei 5 Minuten? | Wie koche ich ein Ei 7 Minuten?
number | de | Was sind zwanzig Prozent von 300? | Was sind dreißig Prozent von 300?
unit | de | Wie weit sind 5 km? | Wie weit sind 5 Meilen?
negation | de | Soll ich die Tür abschließen? | Soll ich die Tür nicht abschließen?
negation | de | Welche Tiere haben Zähne? | Welche Tiere haben keine Zähne?
negation | de | Ist das möglich? | Ist das unmöglich?
quantifier | de | Können alle Vögel fliegen? | Können manche Vögel fliegen?
modality | de | Darf ich hier parken? | Muss ich hier parken?
tense | de | Wer ist Bundeskanzler? | Wer war Bundeskanzler?
tense | de | Wann wurde die Brücke gebaut? | Wann wird die Brücke gebaut?
time | de | Kann ich vor dem Essen schwimmen? | Kann ich nach dem Essen schwimmen?
opposed | de | Wie schalte ich das Licht ein? | Wie schalte ich das Licht aus?
opposed | de | Wie aktiviere ich WLAN? | Wie deaktiviere ich WLAN?
opposed | de | Ist Tee oder Kaffee gesünder? | Ist Tee und Kaffee gesünder?
opposed | de | Was ist der Vorteil von Solarstrom? | Was ist der Nachteil von Solarstrom?
sibling | de | Ist das Büro am Montag offen? | Ist das Büro am Dienstag offen?
kind | de | Warum steigt der Teig? | Wie steigt der Teig?
kind | de | Wann wurde Faust geschrieben? | Wo wurde Faust geschrieben?
person | de | Ist das meine Schuld? | Ist das deine Schuld?
entity | de | Was ist die Hauptstadt von Frankreich? | Was ist die Hauptstadt von Spanien?
direction | de | Wie komme ich von Rom nach Mailand? | Wie komme ich von Mailand nach Rom?
 | de | Der Hund beißt den Mann | Der Mann beißt den Hund
roles | de | Der Hund beißt den Mann | Der Hund wird vom Mann gebissen
substituted | de | Wie reinige ich einen Vergaser? | Wie reinige ich einen Luftbefeuchter?
number | fr | Combien coûtent deux pommes ? | Combien coûtent trois pommes ?
unit | fr | C'est loin, 5 km ? | C'est loin, 5 miles ?
negation | fr | Pourquoi mon chat mange ? | Pourquoi mon chat ne mange pas ?
negation | fr | Peut-on vivre avec un rein ? | Peut-on vivre sans rein ?
quantifier | fr | Tous les oiseaux volent ? | Certains oiseaux volent ?
modality | fr | Peut-on stationner ici ? | Doit-on stationner ici ?
tense | fr | Qui est le président ? | Qui était le président ?
time | fr | Puis-je manger avant la prise de sang ? | Puis-je manger après la prise de sang ?
opposed | fr | Comment activer le wifi ? | Comment désactiver le wifi ?
opposed | fr | Le thé ou le café ? | Le thé et le café ?
sibling | fr | Le bureau est ouvert le lundi ? | Le bureau est ouvert le mardi ?
kind | fr | Pourquoi la pâte lève ? | Comment la pâte lève ?
person | fr | Est-ce ma faute ? | Est-ce ta faute ?
entity | fr | Quelle est la capitale de la France ? | Quelle est la capitale de l'Espagne ?
 | fr | Le chien mord l'homme | L'homme mord le chien
roles | fr | Le chien mord l'homme | Le chien est mordu par l'homme
number | es | ¿Cuánto cuestan dos manzanas? | ¿Cuánto cuestan tres manzanas?
negation | es | ¿Por qué mi gato come? | ¿Por qué mi gato no come?
negation | es | ¿Cómo cocinar arroz con tapa? | ¿Cómo cocinar arroz sin tapa?
quantifier | es | ¿Todos los pájaros vuelan? | ¿Algunos pájaros vuelan?
modality | es | ¿Puedo aparcar aquí? | ¿Debo aparcar aquí?
tense | es | ¿Quién es el presidente? | ¿Quién fue el presidente?
time | es | ¿Puedo comer antes del análisis? | ¿Puedo comer después del análisis?
opposed | es | ¿Cómo activar el wifi? | ¿Cómo desactivar el wifi?
sibling | es | ¿La oficina abre el lunes? | ¿La oficina abre el martes?
kind | es | ¿Por qué sube la masa? | ¿Cómo sube la masa?
person | es | ¿Es mi culpa? | ¿Es tu culpa?
entity | es | ¿Cuál es la capital de Francia? | ¿Cuál es la capital de España?
direction | es | Vuelos de Madrid a Sevilla | Vuelos de Sevilla a Madrid
 | es | El perro muerde al hombre | El hombre muerde al perro
roles | es | El perro muerde al hombre | El perro es mordido por el hombre
number | it | Quanto costano due mele? | Quanto costano tre mele?
negation | it | Perché il mio gatto mangia? | Perché il mio gatto non mangia?
negation | it | Come cuocere il riso con il coperchio? | Come cuocere il riso senza coperchio?
quantifier | it | Tutti gli uccelli volano? | Alcuni uccelli volano?
modality | it | Posso parcheggiare qui? | Devo parcheggiare qui?
tense | it | Chi è il presidente? | Chi era il presidente?
time | it | Posso mangiare prima dell'esame? | Posso mangiare dopo l'esame?
opposed | it | Come attivare il wifi? | Come disattivare il wifi?
sibling | it | L'ufficio apre lunedì? | L'ufficio apre martedì?
kind | it | Perché sale l'impasto? | Come sale l'impasto?
person | it | È colpa mia? | È colpa tua?
entity | it | Qual è la capitale della Francia? | Qual è la capitale della Spagna?
direction | it | Voli da Roma a Milano | Voli da Milano a Roma
 | it | Il cane morde l'uomo | L'uomo morde il cane
roles | it | Il cane morde l'uomo | Il cane è morso dall'uomo
direction | en | Is the key in the drawer? | Is the key under the drawer?
direction | en | What is behind the wall? | What is in the wall?
direction | en | Who sat behind the king? | Who sat beside the king?
tense | en | I am used to working at night | I used to work at night
tense | en | Dogs used to sleep outside | Dogs sleep outside
tense | en | Did people use to smoke on planes? | Do people smoke on planes?
modality | en | Could the bridge collapse? | Did the bridge collapse?
modality | en | Should children drink coffee? | Do children drink coffee?
modality | en | May tenants paint the walls? | Must tenants paint the walls?
modality | en | Can penguins fly? | Will penguins fly?
format | en | Explain gravity briefly | Explain gravity in detail
format | en | Explain gravity | Explain gravity in one sentence
format | en | Explain gravity as JSON | Explain gravity
degree | en | Which is the cheapest phone? | Which is the cheap phone?
degree | en | Is tea cheaper than coffee? | Is tea as cheap as coffee?
code | en | How do I rename foo_bar? | How do I rename fooBar?
code | en | How do I rename foo-bar? | How do I rename foo_bar?
code | en | What does getuser return? | What does getUser return?
code | en | What is MAX_SIZE? | What is max_size?
direction | en | Did the rate rise by 3 percent? | Did the rate rise to 3 percent?
quantifier | en | Is the shop open every Monday? | Is the shop open on Monday?
quantifier | en | Do all members vote? | Do members vote?
quantifier | en | Do the members vote? | Do only the members vote?
quantifier | en | Delete the file | Delete every file
degree | en | Which planet is nearest to the sun? | Which planet is near the sun?
tense | en | Has the train left? | Is the train leaving?
direction | de | Liegt der Schlüssel auf dem Schrank? | Liegt der Schlüssel unter dem Schrank?
direction | de | Liegt der Schlüssel im Schrank? | Liegt der Schlüssel hinter dem Schrank?
direction | de | Steigt der Preis um 5 Euro? | Steigt der Preis auf 5 Euro?
modality | de | Soll ich unterschreiben? | Muss ich unterschreiben?
quantifier | de | Lösche die Datei | Lösche alle Dateien
tense | de | Wer leitet die Firma? | Wer leitete die Firma?
tense | de | Wer gewinnt das Spiel? | Wer gewann das Spiel?
tense | de | Wer gewinnt das Spiel? | Wer wird das Spiel gewinnen?
modality | de | Darf man hier parken? | Muss man hier parken?
format | de | Erkläre Inflation als Tabelle | Erkläre Inflation als Liste
format | de | Erkläre Inflation | Erkläre Inflation in einem Satz
quantifier | de | Was kostet mehr als 5 Euro? | Was kostet 5 Euro?
unit | de | Steigt der Zins um 5 Prozent? | Steigt der Zins um 5 Prozentpunkte?
degree | de | Ist das Haus größer? | Ist das Haus groß?
quantifier | de | Hilft nur Wasser? | Hilft Wasser?
direction | fr | La clé est-elle sur la table ? | La clé est-elle sous la table ?
direction | fr | La clé est-elle dans la boîte ? | La clé est-elle derrière la boîte ?
direction | fr | Le prix monte de 5 euros | Le prix monte à 5 euros
quantifier | fr | Supprime ce fichier | Supprime tous les fichiers
quantifier | fr | Supprime le fichier | Supprime chaque fichier
tense | fr | Qui dirige la société ? | Qui dirigeait la société ?
tense | fr | Qui dirige la société ? | Qui dirigera la société ?
tense | fr | Qui dirige la société ? | Qui a dirigé la société ?
modality | fr | Peut-on fumer ici ? | Doit-on fumer ici ?
format | fr | Explique l'inflation en une phrase | Explique l'inflation
format | fr | Explique l'inflation sous forme de tableau | Explique l'inflation sous forme de liste
unit | fr | La hausse est de 5 pour cent | La hausse est de 5 points de pourcentage
quantifier | fr | L'eau suffit-elle ? | Seule l'eau suffit-elle ?
degree | fr | C'est plus cher ? | C'est moins cher ?
direction | es | ¿La llave está en la caja? | ¿La llave está detrás de la caja?
direction | es | El precio sube a 5 euros | El precio sube en 5 euros
unit | es | El precio sube un 5 por ciento | El precio sube 5 puntos porcentuales
quantifier | es | Borra el archivo | Borra todos los archivos
tense | es | ¿Quién dirige la empresa? | ¿Quién dirigía la empresa?
tense | es | ¿Quién dirige la empresa? | ¿Quién dirigirá la empresa?
tense | es | ¿Quién dirige la empresa? | ¿Quién dirigió la empresa?
modality | es | ¿Puede firmar mi padre? | ¿Debe firmar mi padre?
format | es | Explica la inflación en una frase | Explica la inflación
degree | es | ¿Es caro? | ¿Es más caro?
quantifier | es | ¿Sirve el agua? | ¿Sirve solo el agua?
direction | it | La chiave è sul tavolo? | La chiave è sotto il tavolo?
direction | it | La chiave è nella scatola? | La chiave è dietro la scatola?
direction | it | Il prezzo sale a 5 euro | Il prezzo sale di 5 euro
unit | it | Il prezzo sale del 5 per cento | Il prezzo sale di 5 punti percentuali
quantifier | it | Cancella il file | Cancella tutti i file
tense | it | Chi dirige la società? | Chi dirigeva la società?
tense | it | Chi dirige la società? | Chi dirigerà la società?
tense | it | Piove a Roma? | Pioveva a Roma?
modality | it | Può firmare il padre? | Deve firmare il padre?
format | it | Spiega l'inflazione in una frase | Spiega l'inflazione
degree | it | È caro? | È più caro?
quantifier | it | Basta l'acqua? | Basta solo l'acqua?
particle | en | Is the soup too hot? | Is the soup hot enough?
particle | en | Is the soup too hot? | Is the soup hot?
particle | en | Do cats still hunt? | Do cats hunt?
particle | en | Is it still raining? | Is it raining again?
degree | en | Is it as big as Rome? | Is it bigger than Rome?
particle | de | Arbeitet er noch? | Arbeitet er?
particle | fr | C'est trop chaud ? | C'est chaud ?
particle | es | ¿Hace demasiado calor? | ¿Hace calor?
direction | es | Habla con el jefe | Habla del jefe
particle | it | Fa troppo caldo? | Fa caldo?
"""

SAME = """
en | What sets a mocktail and a cocktail apart? | What sets a cocktail and a mocktail apart?
en | What are some good interview tips? | What are the best interview tips?
en | What is bread & butter pudding? | What is bread and butter pudding?
en | How do I change my bio on Periscope? | How do I change my bio in Periscope?
en | By whom was the bridge painted? | Who painted the bridge?
de | Von wem wurde die Brücke entworfen? | Wer hat die Brücke entworfen?
en | How do I reset my password? | Could you please tell me how I can reset my password?
en | How do I reset my password? | how do i reset my password
en | How do I reset my password? | What is the best way to reset my password?
en | How do I reset my password? | Hi, I'd like to know how to reset my password. Thanks!
en | What is the capital of France? | What's France's capital?
en | What is the capital of France? | Do you know what the capital of France is?
en | How can I sort a list in Python? | In Python, how do I sort a list?
en | What colour is the sky? | What color is the sky?
en | How do I organise my wardrobe? | How do I organize my wardrobe?
en | How do I clean a carburettor? | How do I clean a carburetter?
en | Why doesn't my printer work? | Why does my printer not work?
en | Why is the sky blue? | How come the sky is blue?
en | What is the reason for inflation? | Why inflation?
en | The dog bites the man | The man is bitten by the dog
en | Who wrote Hamlet? | By whom was Hamlet written?
en | How far is it from Rome to Milan? | How far is it to Milan from Rome?
en | Which is better, cats or dogs? | Which is better, dogs or cats?
en | How many km are in 5 miles? | How many kilometres are in five miles?
en | What is 1,000 plus 5%? | What is 1000 plus 5 percent?
en | How do I buy a car? | How can one purchase a car?
en | What happens if I delete a file? | What will happen if I delete a file?
en | Is it possible to grow avocados indoors? | Can I grow avocados indoors?
en | How old is Barack Obama? | How old is Obama?
en | Where is my order? | where is my order???
en | How do I install numpy on Windows? | How do I install numpy on windows?
en | What happened on March 5, 2024? | What happened on 5 March 2024?
en | When did World War II end? | When did World War 2 end?
en | Meet at 5 pm | Meet at 17:00
en | It costs $5 | It costs 5 dollars
en | When was the Eiffel Tower built? | When did they build the Eiffel Tower?
en | How do I improve my English? | How can you improve your English?
en | Explain how vaccines work | How do vaccines work?
en | What does photosynthesis mean? | What is the meaning of photosynthesis?
en | What does `git pull` do? | what does git pull do
en | How should I store potatoes? | How do I store potatoes?
en | Are there any ways to learn chess? | What are some ways to learn chess?
en | Is an e-mail binding? | Is an email binding?
en | How much does a passport cost? | What is the price of a passport?
de | Wie installiere ich Python unter Windows? | Können Sie mir bitte sagen, wie man Python unter Windows installiert?
de | Wie kann ich mein Passwort zurücksetzen? | Wie setze ich mein Kennwort zurück?
de | Warum ist der Himmel blau? | Wieso ist der Himmel blau?
de | Wie fuege ich eine Tabelle ein? | Wie füge ich eine Tabelle ein?
de | Was kosten einundzwanzig Äpfel? | Was kosten 21 Äpfel?
de | Hallo, ich würde gerne wissen, wie groß Köln ist | Wie groß ist Köln?
de | Der Hund beißt den Mann | Der Mann wird vom Hund gebissen
de | Was ist die beste Möglichkeit, Reis zu kochen? | Wie koche ich Reis?
de | wie backe ich brot | Wie backe ich Brot?
de | Unter Windows, wie installiere ich Python? | Wie installiere ich Python unter Windows?
fr | Comment installer Python sur Windows ? | Pouvez-vous me dire comment installer Python sur Windows ?
fr | Comment puis-je réinitialiser mon mot de passe ? | Comment réinitialiser mon mot de passe ?
fr | Comment fonctionne la photosynthèse ? | Comment la photosynthèse fonctionne-t-elle ?
fr | Le chien mord l'homme | L'homme est mordu par le chien
fr | Combien coûtent vingt et un billets ? | combien coutent 21 billets
fr | Est-ce que je peux manger avant le test ? | Puis-je manger avant le test ?
fr | Quelle est la meilleure façon de cuire du riz ? | Comment cuire du riz ?
fr | Bonjour, je voudrais savoir où est la gare, s'il vous plaît | Où est la gare ?
es | ¿Cómo instalo Python en Windows? | ¿Cómo puedo instalar Python en Windows?
es | ¿Cómo se instala Python en Windows? | Por favor, ¿me puedes decir cómo instalar Python en Windows?
es | El perro muerde al hombre | El hombre es mordido por el perro
es | como se dice gato en ingles | ¿Cómo se dice gato en inglés?
es | ¿Cuál es la mejor forma de cocinar arroz? | ¿Cómo cocinar arroz?
es | Hola, quisiera saber dónde está la estación, gracias | ¿Dónde está la estación?
it | Come posso installare Python su Windows? | Come si installa Python su Windows?
it | Qual è la capitale della Francia? | Mi puoi dire qual è la capitale della Francia?
it | Perché il cielo è blu? | Come mai il cielo è blu?
it | Quanto costa il biglietto? | Qual è il prezzo del biglietto?
it | Il cane morde l'uomo | L'uomo è morso dal cane
it | Salve, vorrei sapere dove si trova la stazione, grazie | Dove si trova la stazione?
it | Qual è il modo migliore per cuocere il riso? | Come cuocere il riso?
"""


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("guard", "language", "one", "other"), rows(DIFFERENT))
def test_a_guard_objects(guard: str, language: str, one: str, other: str) -> None:
    found = objections(read(one, language), read(other, language))
    assert guard in found if guard else found


@pytest.mark.parametrize(("language", "one", "other"), rows(SAME))
def test_nothing_objects_to_the_same_question_in_other_dress(language: str, one: str, other: str) -> None:
    assert objections(read(one, language), read(other, language)) == ()
