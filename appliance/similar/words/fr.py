"""What the guards know of French."""

from appliance.similar.words.form import Words

_ANYONE = r"(?:je|j'|on|nous|tu|vous|quelqu' un|il)"
_GOOD = r"(?:(?:meilleure?s?|bonnes?|simple|simples|facile|différentes|plus simple|plus facile) )*"
_WAY = r"(?:façons?|manières?|moyens?|méthodes?|étapes|procédure|conseils|astuces|marche à suivre)"
_SMALL = {
    word: value
    for value, word in enumerate(
        [
            "zéro",
            "x",
            "deux",
            "trois",
            "quatre",
            "cinq",
            "six",
            "sept",
            "huit",
            "neuf",
            "dix",
            "onze",
            "douze",
            "treize",
            "quatorze",
            "quinze",
            "seize",
        ]
    )
    if word != "x"
}

WORDS = Words(
    determiners="le la les l' un une des du au aux ce cet cette ces mon ma mes ton ta tes son sa ses notre "
    "nos votre vos "
    "leur leurs quel quelle quels quelles",
    governors={
        "of": "de d' des du",
        "in": "dans dedans",
        "within": "en",
        "on": "sur",
        "at": "à au aux chez",
        "to": "vers jusqu'",
        "by": "par",
        "for": "pour",
        "with": "avec via",
        "than": "que_plus",
        "before": "avant",
        "after": "après depuis",
        "sous": "sous au-dessous_de en_dessous_de au_dessous_de",
        "behind": "derrière",
        "front": "devant",
        "beside": "à_côté_de à_côté_du",
        "near": "près_de près_du",
        "over": "au-dessus_de au_dessus_de",
        "against": "contre",
        "between": "entre parmi",
        "comme": "comme",
        "during": "pendant durant",
        "without": "sans",
        "because": "car parce_que à_cause_de grâce_à",
        "instead": "au_lieu_de plutôt_que",
        "from": "depuis_le",
        "about": "concernant à_propos_de",
        "que": "que qu'",
    },
    joiners="et ou versus vs ni , / &",
    copulas="est sont était étaient été être fut furent sera suis",
    empty="""
            je j' me m' moi nous tu te t' t toi vous il elle ils elles lui leur eux on se s' y en c' ce cela
            ça ceci qui que qu' quoi dont où comment pourquoi quand combien quel quelle quels quelles lequel
            laquelle si donc alors ne n' pas plus est sont était étaient être été suis es sommes êtes sera a
            ai as ont avons avez avait avoir fait faire fais font peut peux pouvez pouvons peuvent pourrait
            pourrais pourriez pouvoir dois doit devez devons devrait devrais devoir faut faudrait va vais
            vas vont allez aller veut veux voulez vouloir voudrais voudrait aimerais aimerait très bien
            aussi encore déjà même tout là ici sans_doute quelque quelques quelqu' un une est_ce ci vraiment
            simplement juste soit étant ait lorsque lorsqu' puis
        """,
    faint="""
            chose choses façon manière moyen faire fait donner donne prendre mettre savoir dire voir bon
            bonne meilleur meilleure différent différents possible certain certains important personne
            personnes gens temps jour type sorte exemple exemples beaucoup nouveau nouvelle trouver besoin
            définition signifie signifier veut_dire signification expliquer décrire montrer liste question réponse
            raison partie nombre fonctionne fonctionner marche passe arrive utile
        """,
    light="faire donner prendre mettre dire savoir voir",
    marks={
        "negation:not": """pas ne n' jamais aucun aucune rien personne_ne sans ni nulle_part sauf guère plutôt_que
            excepté hormis exclu exclus exclue exclues
            à_l'_exception_de à_part à_l'_exclusion_de
            au_lieu_de éviter arrêter cesser""",
        "negation:free": """exempt exempte exempts exempté exemptés exemptée exonéré exonérés exonérée exonération
            dispensé dispensés dispensée détaxé""",
        "quantifier:all": """tous toutes tout_le_monde chaque toujours entier entière entiers entières partout chacun
            chacune tout_le toute_la tout_l' toute_l' tout_sauf l'_ensemble""",
        "quantifier:other": "autre autres ailleurs",
        "quantifier:partly": "partiellement en_partie",
        "quantifier:nearly": "presque",
        "quantifier:little": "peu",
        "quantifier:alittle": "un_peu un_peu_de un_peu_d'",
        "quantifier:most": "la_plupart plupart majorité généralement",
        "quantifier:many": "plusieurs beaucoup_de nombreux nombreuses souvent fréquemment",
        "quantifier:few": "peu_de rarement",
        "quantifier:some": "certains certaines parfois quelques quelques-uns quelques-unes",
        "quantifier:only": """
            seulement uniquement seul seule seuls seules exclusivement rien_que juste_le juste_la juste_les
        """,
        "quantifier:both": "les_deux",
        "quantifier:half": "moitié demi demie",
        "quantifier:atleast": "au_moins minimum_de au_minimum",
        "quantifier:atmost": "au_plus au_maximum jusqu'_à",
        "quantifier:over": "plus_de",
        "quantifier:under": "moins_de",
        "quantifier:exactly": "exactement précisément",
        "modality:can": "puis peut peux pouvez pouvons peuvent pourrait pourrais pourriez capable",
        "modality:may": "permis autorisé droit_de",
        "modality:must": "dois doit devez devons doivent faut obligatoire obligé nécessaire besoin_de besoin",
        "modality:should": "vaut_il_mieux vaut_mieux devrait devrais devriez devrions faudrait conseillé recommandé",
        "modality:want": "veut veux voulez veulent",
        "modality:optional": "facultatif optionnel",
        "modality:seem": "semble semblent semblait paraît apparemment prétendument soi_disant",
        "modality:try": "essaie essaient essayer essayé essayait tente tentent tenter tenté tentait",
        "format:json": "json",
        "format:yaml": "yaml",
        "format:xml": "xml",
        "format:csv": "csv",
        "format:markdown": "markdown",
        "format:table": "sous_forme_de_tableau dans_un_tableau en_tableau tableau",
        "format:list": "sous_forme_de_liste dans_une_liste en_liste",
        "format:bullets": "puces",
        "format:paragraph": "paragraphe paragraphes phrases_complètes",
        "format:sentence": "en_une_phrase une_seule_phrase une_phrase",
        "format:steps": "étape_par_étape pas_à_pas",
        "format:short": "brièvement en_bref succinctement",
        "format:long": "en_détail en_détails détaillée détaillé",
        "format:example": "avec_un_exemple avec_des_exemples avec_exemple un_exemple",
        "format:poem": "poème",
        "format:essay": "dissertation",
        "tense:present": "est sont suis es a ont fait",
        "tense:past": """
            était étaient fut furent avait avaient étais eut fit prit vint mourut naquit gagna dit écrivit vécut
            devint peignit inventa découvrit fonda régna commença créa composa épousa construisit dirigea chanta joua
            joignit perdit battit conquit remporta publia
        """,
        "tense:future": "sera seront aura auront fera feront va vont vais pourra pourront devra devront ira viendra",
        "condition:because": "parce_que puisque car",
        "condition:assoon": "dès_que aussitôt_que",
        "condition:aslong": "tant_que",
        "condition:sothat": "pour_que afin_que",
        "condition:provided": "pourvu_que à_condition_que",
        "condition:case": "au_cas_où",
        "condition:whereas": "alors_que tandis_que",
        "condition:if": "si s'il s'ils",
        "condition:unless": "sauf_si à_moins_que à_moins_de",
        "condition:evenif": "même_si bien_que malgré quoique",
        "time:before": "avant auparavant",
        "time:after": "après ensuite",
        "time:during": "pendant durant",
        "time:until": "jusqu'à jusqu'",
        "time:since": "depuis",
        "time:yesterday": "hier",
        "time:today": "aujourd'hui",
        "time:tomorrow": "demain",
        "time:now": "maintenant actuellement",
        "time:ago": "il_y_a",
        "time:next": "prochain prochaine prochains prochaines",
        "time:last": "dernier dernière derniers dernières passé",
        "time:again": "nouveau_à",
        "time:already": "déjà",
        "time:passing": "temporairement provisoirement",
        "time:yet": "encore",
        "degree:er": "plus moins mieux pire meilleur meilleure meilleurs meilleures",
        "particle:even": "même",
        "particle:too": "trop",
        "particle:ex": "ex ancien ancienne anciens anciennes",
        "particle:deputy": "vice adjoint adjointe",
        "particle:enough": "assez suffisamment",
        "person:i": "je j' me m' moi mon ma mes",
        "person:we": "nous notre nos",
        "person:you": "tu te t' toi ton ta tes vous votre vos",
        "person:he": "il lui",
        "person:they": "ils eux",
        "person:theirs": "son sa ses leur leurs",
        "person:she": "elle",
        "person:they_f": "elles",
    },
    opposed="""
            trop trop_de excès surplus | trop_peu manque insuffisamment;
            restant restants restante restantes | pris prises utilisé utilisés utilisée utilisées consommé consommés
            écoulé écoulés;
            possible permis autorisé | impossible interdit défendu;
            ici | là-bas là_bas; près près_de proche | loin loin_de; à_côté_de | en_face_de; gratuitement
            gratuit | payant;
            avant | après; et | ou; plus | moins; ouvrir ouvert ouverte | fermer fermé fermée; maximum
            maximal maximale | minimum minimal minimale; premier première premiers | dernier dernière
            derniers; importer import importation | exporter export exportation; activer allumer autoriser
            permettre | désactiver éteindre interdire bloquer; augmenter accroître hausser | diminuer
            réduire baisser; acheter achat | vendre vente; commencer démarrer début lancer | terminer finir
            arrêter fin; ajouter insérer joindre | supprimer enlever retirer effacer; installer |
            désinstaller; connecter brancher | déconnecter débrancher; chiffrer crypter | déchiffrer
            décrypter; compresser | décompresser extraire; afficher montrer | masquer cacher; accepter
            approuver | refuser rejeter; prêter | emprunter; envoyer donner | recevoir prendre; pousser |
            tirer; gauche | droite; haut monter | bas descendre; dessus | dessous; intérieur dedans interne
            | extérieur dehors externe; connexion | déconnexion; devant avant_de | derrière arrière; élevé
            élevée haut haute | faible bas basse; grand grande gros grosse | petit petite; long longue |
            court courte; large | étroit; épais | mince fin; rapide rapidement vite | lent lente lentement;
            bon bonne meilleur meilleure mieux | mauvais mauvaise pire; avantage avantages | inconvénient
            inconvénients; chaud chaude | froid froide; vieux vieille ancien ancienne | nouveau nouvelle
            neuf jeune; tôt | tard; facile simple | difficile compliqué; pas_cher bon_marché | cher chère
            coûteux; clair | foncé sombre; léger légère | lourd lourde; fort forte | faible; sûr |
            dangereux; légal légale | illégal illégale interdit; vrai vraie juste | faux fausse; positif
            positive | négatif négative; même égal identique | différent différente; public publique | privé
            privée; gratuit gratuite | payant payante; plein | vide; mouillé humide | sec; vivant vivante |
            mort morte; riche | pauvre; heureux | triste malheureux; aimer | détester haïr; ami amis |
            ennemi ennemis; homme hommes père fils frère garçon roi mari il | femme femmes mère fille soeur
            sœur reine épouse elle; gagner victoire | perdre défaite; succès réussir réussite | échec
            échouer; attaquer attaque | défendre défense; toujours | jamais; jour | nuit; matin | soir; hier
            | demain; aujourd'hui | hier demain; oui | non; entrée entrer | sortie sortir; lire | écrire;
            client | serveur; source | destination cible; parent parents | enfant enfants; question |
            réponse; croissant ascendant | décroissant descendant; horizontal | vertical; pair | impair;
            arrivée arriver | départ partir; crédit | débit; bénéfice profit | perte; revenu revenus
            recettes | dépense dépenses; employeur | employé salarié; professeur | élève étudiant; médecin |
            patient; propriétaire | locataire; embaucher | licencier; marier mariage | divorcer divorce;
            économiser épargner | dépenser; créer construire | détruire démolir; geler congeler | dégeler
            décongeler; abonner | désabonner; additionner | soustraire; multiplier | diviser; solide |
            liquide; acide | base; été | hiver; nord | sud; est_de | ouest; statique | dynamique; local |
            distant; manuel manuellement | automatique automatiquement; en_ligne | hors_ligne; célibataire |
            marié mariée; singulier | pluriel; actif | passif; temporaire | permanent définitif; bruyant |
            silencieux; naturel | artificiel; coupable | innocent; offre | demande; cause | effet
            conséquence; naissance né | décès mort; déposer | retirer; expéditeur | destinataire; vendeur |
            acheteur; cru | cuit; sucré | salé amer acide; dur | mou; propre | sale; réveiller | endormir;
            souvenir | oublier; enseigner | apprendre; sauvegarder | restaurer; avec | sans; télécharger |
            téléverser; brut | net; perdre | prendre; inspirer | expirer; maigrir | grossir; rallonger |
            raccourcir; allumé | éteint
        """,
    same="""
            voiture auto automobile; téléphone portable smartphone mobile; photo image photos; film; télé
            télévision; travail emploi boulot; entreprise société compagnie; réparer corriger; commencer
            débuter démarrer; finir terminer achever; supprimer effacer enlever; coût prix coûter coûte;
            argent; erreur faute; problème souci ennui; médecin docteur; avocat; enfant gamin; vacances
            congés; voyage; appartement logement; ascenseur; poubelle déchets; email e_mail courriel mail;
            site_web site; wifi wi_fi; ordinateur pc; application appli; mot_de_passe; configurer
            paramétrer; modifier changer; construire bâtir; obtenir recevoir avoir_obtenu; choisir
            sélectionner; créer fabriquer; utiliser employer; rapide vite rapidement; difficile dur
            compliqué; facile simple; grand gros; célèbre connu; beau joli; malade souffrant; maladie
            affection; médicament remède; examen épreuve; université fac faculté; étudiant élève; professeur
            enseignant prof; ville; pays; états_unis usa amérique; ue union_européenne; ia
            intelligence_artificielle; méthode procédé; apprendre étudier; augmenter accroître; réduire
            diminuer baisser; améliorer optimiser; permettre autoriser; interdire défendre; essayer tenter;
            répondre réponse; magasin boutique; maigrir perdre_du_poids; cuisiner préparer cuire; vélo
            bicyclette; frigo réfrigérateur; canapé sofa; rue route; salaire paie; employé salarié; chef
            patron responsable; cadeau présent; calculer calcul; convertir transformer; copier dupliquer;
            fichier document; dossier répertoire; traduire traduction; résumer résumé; comparer comparaison;
            recommander conseiller; différence différences distinction; sens signification signifier
            définition; avantage bénéfice; inconvénient désavantage; résultat; but objectif; arriver_à
            survenir; parler discuter; afficher montrer; ajouter insérer; réinitialiser remettre_à_zéro;
            fonctionner marcher fonctionne marche; fabriquer produire; habiter vivre; peur crainte; drôle
            amusant
        """,
    siblings={
        "speech": """
            demander/demande/demandes/demandons offrir/offre/offres/offrons accepter/accepte/acceptes
            refuser/refuse/refuses/décliner/décline
        """,
        "channel": "en_ligne sur_place en_personne par_téléphone par_écrit",
        "matter": "patience patient/patients",
        "colour": """
            rouge bleu/bleue vert/verte jaune orange violet/violette rose brun/brune/marron noir/noire
            blanc/blanche gris/grise or argent
        """,
        "weekday": "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "month": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "season": "printemps automne hiver",
        "daytime": "matin midi après-midi soir nuit minuit",
        "relative": """
            mère/maman père/papa frère sœur/soeur fils fille oncle tante grand-mère grand-père cousin neveu
            nièce mari/époux femme/épouse grand_mère grand_père belle_mère beau_père belle_sœur beau_frère belle_fille
            beau_fils gendre demi_frère demi_sœur petit_fils petite_fille grand_oncle grand_tante arrière_grand_mère
            arrière_grand_père
        """,
        "period": """
            seconde/secondes minute/minutes heure/heures jour/jours semaine/semaines mois trimestre
            an/ans/année/années décennie siècle
        """,
        "meal": "petit-déjeuner déjeuner dîner dessert goûter",
        "animal": """
            chien/chiens chat/chats cheval/chevaux vache/vaches cochon/cochons mouton chèvre poule/poulet
            canard lapin/lapins souris rat/rats lion/lions tigre éléphant ours loup/loups renard
            serpent/serpents oiseau/oiseaux poisson/poissons requin baleine abeille/abeilles
            araignée/araignées grenouille singe pingouin aigle papillon moustique hamster
        """,
        "food": """
            pomme/pommes banane/bananes poire/poires orange/oranges citron/citrons raisin fraise/fraises
            tomate/tomates carotte/carottes oignon/oignons ail riz pâtes pain fromage beurre lait
            œuf/oeuf/œufs/oeufs viande bœuf porc saumon sucre sel poivre miel chocolat café thé bière vin
            eau jus pizza soupe salade gâteau
        """,
        "body": """
            tête visage œil/yeux oreille/oreilles nez bouche dent/dents cou épaule bras main/mains
            doigt/doigts poitrine dos ventre/estomac jambe/jambes genou/genoux pied/pieds orteil cheville
            poignet coude peau cheveux cœur/coeur foie rein/reins poumon/poumons cerveau os sang
        """,
        "material": """
            or argent bronze cuivre fer acier aluminium plomb zinc étain nickel titane mercure bois verre
            plastique papier pierre cuir coton laine soie
        """,
        "element": """
            hydrogène hélium oxygène azote carbone sodium potassium calcium magnésium chlore soufre
            phosphore uranium lithium méthane éthanol/alcool ammoniac
        """,
        "planet": "mercure vénus terre mars jupiter saturne uranus neptune pluton lune soleil",
        "job": """
            médecin/docteur infirmier/infirmière professeur/enseignant avocat ingénieur pilote cuisinier
            policier pompier agriculteur plombier électricien dentiste comptable architecte acteur chanteur
            écrivain/auteur peintre président chancelier roi reine ministre maire juge
        """,
        "sport": "football basket tennis golf hockey rugby volley handball natation course cyclisme boxe échecs ski",
        "instrument": "guitare piano violon batterie flûte trompette saxophone violoncelle harpe",
        "vehicle": """
            voiture/voitures bus/autobus train/trains avion/avions vélo/vélos bateau/bateaux camion moto
            taxi tramway hélicoptère ferry trottinette
        """,
        "direction": "nord sud ouest",
        "subject": """
            mathématiques/maths physique chimie biologie histoire géographie économie philosophie
            psychologie médecine droit informatique
        """,
        "illness": """
            grippe rhume cancer diabète asthme paludisme rougeole fièvre toux dépression anxiété avc
            allergie migraine
        """,
        "shape": "cercle carré triangle rectangle cube sphère cylindre cône pyramide",
        "quantity": """
            aire/superficie volume périmètre rayon diamètre hauteur largeur longueur profondeur poids/masse
            densité vitesse température pression âge population prix
        """,
        "statistic": "somme moyenne médiane variance produit",
        "document": """
            facture reçu contrat passeport visa permis certificat billet garantie identifiant adresse compte
            commande
        """,
        "device": """
            portable/ordinateur téléphone tablette imprimante scanner écran clavier souris routeur caméra
            télévision micro enceinte casque frigo four lave-vaisselle lave-linge
        """,
        "code": """
            chaîne entier flottant liste/listes tableau tuple dictionnaire ensemble classe fonction variable
            boucle fichier dossier table colonne ligne index branche commit
        """,
    },
    irregular="""
            être est sont était été suis; avoir a ont avait ai as; aller va vont vais allé; faire fait font
            fais; pouvoir peut peux peuvent pu; vouloir veut veux veulent; savoir sait sais su; voir voit vu
            vois; prendre prend prends pris prennent; mettre met mets mis mettent; venir vient venu viens
            viennent; tenir tient tenu; dire dit dis dites; lire lit lu lis; écrire écrit écris écrivent;
            boire boit bu bois; manger mange mangé manges; vendre vend vendu vends; perdre perd perdu perds;
            rendre rend rendu; mourir meurt mort_de; naître naît né née; vivre vit vécu vis; ouvrir ouvre
            ouvert ouvrent; offrir offre offert; recevoir reçoit reçu reçois; devenir devient devenu;
            connaître connaît connu connais; croire croit cru; suivre suit suivi; conduire conduit conduis;
            construire construit; mordre mord mordu; apprendre apprend appris apprends; comprendre comprend
            compris comprends; peindre peint; œil yeux; cheval chevaux; travail travaux; journal journaux;
            installer installe installes installé; acheter achète achètes acheté; appeler appelle appelé;
            supprimer supprime supprimé; changer change changé; utiliser utilise utilisé; créer crée créé
            créent; payer paie paye payé; envoyer envoie envoyé; découvrir découvre découvert; détruire
            détruit; inventer inventa; gagner gagna
        """,
    negated="in im ir il dé dés dis mal non anti mé",
    units={
        "km": "km kilomètre kilomètres",
        "m": "mètre mètres",
        "cm": "cm centimètre centimètres",
        "mm": "mm millimètres",
        "mile": "mile miles",
        "inch": "pouce pouces",
        "kg": "kg kilogramme kilogrammes kilo kilos",
        "g": "gramme grammes",
        "mg": "mg milligrammes",
        "lb": "livre livres",
        "tonne": "tonne tonnes",
        "l": "litre litres",
        "ml": "ml millilitres",
        "celsius": "celsius",
        "fahrenheit": "fahrenheit",
        "%": "pourcent pour_cent",
        "points": "point_de_pourcentage points_de_pourcentage",
        "permille": "pour_mille",
        "usd": "dollar dollars usd",
        "eur": "euro euros eur",
        "gbp": "sterling",
        "chf": "chf",
        "jpy": "yen yens",
        "cent": "centime centimes",
        "ms": "ms millisecondes",
        "s": "secondes seconde sec",
        "min": "minute minutes min",
        "h": "heure heures",
        "dayunit": "jours",
        "week": "semaines semaine",
        "month": "mois",
        "year": "ans années an",
        "kb": "ko kilooctets",
        "mb": "mo mégaoctets",
        "gb": "go gigaoctets",
        "w": "watts watt",
        "v": "volts volt",
        "hectare": "hectare hectares",
        "degree": "degré degrés",
        "calorie": "calories kcal",
    },
    numbers={
        **_SMALL,
        "vingt": 20,
        "vingts": 20,
        "trente": 30,
        "quarante": 40,
        "cinquante": 50,
        "soixante": 60,
        "septante": 70,
        "octante": 80,
        "huitante": 80,
        "nonante": 90,
        "premier": 1,
        "première": 1,
        "premiers": 1,
        "deuxième": 2,
        "second": 2,
        "troisième": 3,
        "quatrième": 4,
        "cinquième": 5,
        "sixième": 6,
        "septième": 7,
        "huitième": 8,
        "neuvième": 9,
        "dixième": 10,
        "douzaine": 12,
        "double": 2,
        "triple": 3,
    },
    multipliers={
        "cent": 100,
        "cents": 100,
        "mille": 1000,
        "million": 10**6,
        "millions": 10**6,
        "milliard": 10**9,
        "milliards": 10**9,
    },
    framing=(
        r"désolée?",
        (
            r"si (?:la |ma |cette |c' est une )?question (?:(?:est|semble|paraît) )?(?:un peu |très )?(?:bête|"
            r"idiote|stupide|simple|naïve)(?: ,)?(?: mais)?"
        ),
        r"j' ai (?:un peu )?honte de (?:le )?demander(?: ,)?(?: mais)?",
        r"j' oublie toujours(?= [!.,:;]+ | $)",
        r"(?:urgent|au secours|à l' aide|c' est (?:très |vraiment )?(?:urgent|pressé))(?= [!.,:;]+ | $)",
        (
            r"(?:bonjour|bonsoir|salut|coucou|hello|s' il (?:vous|te) plaît|svp|stp|merci|merci d' avance|"
            r"alors|donc|ok|bon|"
            r"petite question|question|j' ai une (?:petite )?question(?: sur)?|excusez moi|pardon|à tous|"
            r"cher|chers|madame|monsieur)"
        ),
        (
            r"(?:(?:pouvez|pourriez|peux|pourrais|voudriez) (?:vous|tu)|(?:peut|pourrait)(?: t)? (?:on|"
            r"quelqu' un)(?= (?:me|m'|nous) ))(?: (?:me|m'|nous|bien|s' il "
            r"vous plaît|s' il te plaît|svp|stp|peut être|aider à))*(?: (?:dire|expliquer|montrer|indiquer|"
            r"décrire|donner|"
            r"préciser|apprendre|aider à comprendre|aider(?: à)?|éclairer(?: sur)?|renseigner(?: sur)?|"
            r"savoir|comprendre))?"
        ),
        (
            r"(?:est ce que )?(?:vous pouvez|vous pourriez|tu peux|tu pourrais|quelqu' un peut|quelqu' un "
            r"pourrait) (?:me|m'|nous)? ?"
            r"(?:dire|expliquer|montrer|indiquer|aider(?: à)?)"
        ),
        (
            r"(?:dites|dis|expliquez|explique|montrez|montre|indiquez|indique|décrivez|décris|donnez|donne|"
            r"aidez|aide|rappelez|"
            r"rappelle)(?: moi| nous)(?: à)?"
        ),
        r"(?:expliquez|explique|décrivez|décris)",
        (
            r"(?:je|j'|nous) (?:voudrais|aimerais|souhaite|souhaiterais|veux|voudrions|aimerions|souhaitons)(?: bien)? "
            r"(?:savoir|connaître|comprendre|apprendre|demander|vous demander)"
        ),
        (
            r"(?:je (?:me demande|me demandais|ne sais pas|ne comprends pas|cherche à (?:savoir|comprendre)|"
            r"dois savoir)|"
            r"j' (?:ai besoin (?:d' aide|de savoir|de conseils)(?: (?:pour|avec|sur))?|ignore)|cela m' "
            r"intéresse de savoir)"
        ),
        (
            r"(?:savez vous|sais tu|est ce que (?:vous savez|tu sais|quelqu' un sait)|quelqu' un sait(?: "
            r"il)?|connaissez vous|"
            r"avez vous une idée(?: de)?|une idée(?: de)?)"
        ),
        r"(?:puis je|est ce que je peux) (?:vous )?demander",
        r"(?:serait il possible|est il possible) de (?:me )?(?:dire|savoir|expliquer)",
    ),
    closing=(
        (
            r"(?:s' il (?:vous|te) plaît|svp|stp|merci|merci beaucoup|merci d' avance|d' avance|exactement|au juste|"
            r"pour moi|cordialement|si possible)"
        ),
    ),
    kinds=(
        (r"(?:cite|citez|nomme|nommez|liste|listez)(?= (?:le|la|les|l') (?:\S+ ){1,3}(?:de|du|des|d') )", "what"),
        (
            (
                rf"(?:quel|quelle|quels|quelles) (?:est|sont|serait|seraient)(?: (?:la|le|les|l'|une|un))? "
                rf"?{_GOOD}{_WAY}"
                rf"(?: {_GOOD})?(?: ?(?:pour|de|d'|que))?"
            ),
            "how",
        ),
        (
            (
                rf"(?:y a t il|existe t il|est ce qu' il y a|il y a t il) (?:une?|des|d' autres) "
                rf"{_GOOD}{_WAY}(?: {_GOOD})?"
                r"(?: ?(?:pour|de|d'))?"
            ),
            "how",
        ),
        (
            (
                rf"comment(?: est ce que?'?| est ce qu')? ?(?:{_ANYONE} )?(?:peut|peux|puis|pouvons|pouvez|"
                rf"pourrait|pourrais|dois|doit|"
                rf"devrais|devrait|faire pour|fait on pour|fais je pour|faut il)(?: t)?(?: ?{_ANYONE})?(?: faire pour)?"
            ),
            "how",
        ),
        (rf"comment(?: est ce qu'?e?)?(?: {_ANYONE})?(?: (?:faire|fait|fais|faites)(?: {_ANYONE})? pour)?", "how"),
        (
            (
                rf"de quelle (?:façon|manière)(?: est ce qu'?e?)?(?: {_ANYONE})? (?:peut|peux|puis|pouvons|pouvez|"
                rf"pourrait|pourrais|dois|doit|devrais|devrait)(?: t)?(?: {_ANYONE})?"
            ),
            "how",
        ),
        (r"de quelle (?:façon|manière)(?: est ce qu'?e?)?", "how"),
        (r"que (?:dois|doit|faut|peut|puis)(?: t)?(?: (?:je|on|il))? faire pour", "how"),
        (
            (
                r"(?:pourquoi|pour quelle raison|pour quelles raisons|quelle est la (?:raison|cause)(?: "
                r"pour laquelle| de| d')?|"
                r"quelles sont les (?:raisons|causes)(?: pour lesquelles| de| d')?)(?: est ce qu'?e?)?"
            ),
            "why",
        ),
        (r"(?:combien de temps|quelle est la durée(?: de| du| d')?)(?: est ce qu'?e?)?", "duration"),
        (r"(?:combien|quel est le nombre|quel nombre)(?: de| d')?(?: est ce qu'?e?)?", "count"),
        (r"quel est le(?= (?:prix|coût) )", "count"),
        (r"(?:à quelle fréquence|combien de fois)", "frequency"),
        (r"(?:quand|à quelle heure|à quelle date|quel jour|en quelle année|à quel moment)(?: est ce qu'?e?)?", "when"),
        (r"d' où", "whence"),
        (r"(?:où|à quel endroit|dans quel lieu)(?: est ce qu'?e?)?", "where"),
        (r"(?:qui est ce qui|qui|quelle personne)", "who"),
        (rf"est (?:ce qu'|ce que|il) (?:{_ANYONE} (?:peut|peux|puis)|possible d[e'])", "polar can"),
        (rf"(?:puis|peut|peux|pouvons)(?: t)? {_ANYONE}", "polar can"),
        (rf"(?:dois|doit|faut)(?: t)? {_ANYONE}|est ce qu'?e? (?:il faut|{_ANYONE} (?:dois|doit))", "polar must"),
        (rf"(?:devrais|devrait|faudrait)(?: t)? {_ANYONE}|est ce qu'?e? {_ANYONE} devrai[ts]", "polar should"),
        (r"est ce qu'?e?", "polar"),
        (
            r"(?:qu' est ce qu'?e?|qu' est ce qui|que|quoi|quel|quelle|quels|quelles|c' est quoi|lequel|laquelle)",
            "what",
        ),
    ),
    kind_words={
        "how": "comment",
        "why": "pourquoi",
        "when": "quand",
        "where": "où",
        "who": "qui",
        "count": "combien",
        "what": "quel quelle quels quelles quoi",
    },
    yes_no="""est sont était a ai ont peut puis pouvez peux dois doit devrait faut existe suis avez as y""",
    contractions={
        "svp": "s' il vous plaît",
        "stp": "s' il te plaît",
        "c'est": "c' est",
        "aujourd'hui": "aujourd'hui",
        "quelqu'un": "quelqu' un",
        "pk": "pourquoi",
        "pkoi": "pourquoi",
        "qqn": "quelqu' un",
    },
    elided=True,
    comma_decimal=True,
    verbs_move=True,
    link="et",
    objects="qui_est_ce_que",
    gradable="petit grand vieux vieille jeune long longue court gros grosse mince large étroit haut "
    "bas basse profond chaud froid lourd léger fort faible clair sombre mou dur inverse faux fausse virtuel électrique "
    "cru surgelé sauvage cuit cuite",
    anyone="on quelqu'",
    families="""
        cour/cours course/courses; cours cour; vacance vacances; toilette toilettes; lunette lunettes; échec échecs;
        économie économies; devoir devoirs; port/ports porte/portes; point/points pointe/pointes; mont/monts monte;
        cap/caps cape/capes; pot/pots pote/potes; bal/bals balle/balles; grain/grains graine/graines;
        médecin/médecins médecine/médecines; foi foie/foies; date/dates datte/dattes
    """,
    agent="by",
    haves="a ont ai as avez avons",
    participle=r"\w{3,}(?:é|ée|és|ées|u|ue|us|ues)|(?:\w*(?:construi|produi|condui|tradui|détrui|rédui|écri|décri|di|"
    r"mi|permi|promi|pri|appri|compri|surpri|fai|ouver|offer|découver|couver|souffer|pein|join|crain|attein))"
    r"(?:t|te|ts|tes|s|se|ses)|bu|lu|vu|su|pu|dû|eu|été|né|née|mort|morte|fini|finie|choisi|suivi|servi|senti|dormi|"
    r"parti|partie|sorti|sortie|réussi|menti|rempli|grandi|bâti",
    past=r"\w{3,}(?:èrent|irent|urent|aient)|(?!(?:sou|por|re|ex|at|bien|for|satis|abs|dis|par|im|con|dé|sur)?(?:hait|"
    r"trait|fait|lait|plait)$)\w{3,}ait",
    future=r"\w{3,}(?:era|erai|eras|eront|erez|erons|irai|iras|iront|irez|irons|ira|dra|dront|vra|vront|rra|rront)",
)
