"""What the guards know of English."""

from appliance.similar.words.form import Words

_ANYONE = r"(?:i|we|you|one|someone|somebody|people|u|a person|anyone|they)"
_GOOD = (
    r"(?:(?:best|easiest|simplest|good|right|proper|correct|effective|recommended|possible|different|various|easy|"
    r"simple|usual|common|other|most effective|some|most) )*"
)
_WAY = (
    r"(?:way|ways|method|methods|approach|approaches|steps|step|procedure|means|tip|tips|technique|techniques|"
    r"strategy|strategies|trick|tricks|advice)"
)
_PAST = (
    r"(?!(?:need|feed|seed|weed|speed|greed|bleed|breed|steed|tweed|creed|exceed|proceed|succeed|indeed|hundred|"
    r"sacred|naked|wicked|kindred|hatred|embed|sled|shed)$)\w{2,}ed"
)
_ASK = r"(?:can|could|would|will) (?:you|someone|anyone|anybody|somebody|somebody here|anyone here)"
_TELL = (
    r"(?:tell (?:me|us)|explain (?:to (?:me|us)|me)|explain|let (?:me|us) know|show (?:me|us)|clarify(?: for me)?|"
    r"give (?:me|us) (?:an? )?(?:explanation|description|overview|idea) (?:of|on|about)|"
    r"help (?:me|us)(?: to)?(?: understand| figure out| find out| with| learn| know)?|"
    r"share|teach (?:me|us)|inform (?:me|us)|advise (?:me|us)(?: on)?|describe|be so kind(?: as)? to|walk me through)"
)

WORDS = Words(
    determiners="a an the this that these those my your his her its our their",
    governors={
        "of": "of",
        "in": "in inside inside_of",
        "within": "within",
        "on": "on upon onto",
        "at": "at",
        "to": "to into towards toward",
        "from": "from",
        "by": "by via",
        "for": "for",
        "with": "with",
        "using": "using",
        "than": "than",
        "about": "about regarding concerning",
        "before": "before until till",
        "after": "after since following",
        "over": "over above",
        "through": "through",
        "across": "across",
        "along": "along",
        "around": "around",
        "beyond": "beyond",
        "under": "under below beneath underneath",
        "behind": "behind",
        "front": "in_front_of",
        "beside": "beside next_to alongside",
        "near": "near close_to",
        "against": "against",
        "between": "between among amongst",
        "as": "as",
        "during": "during throughout",
        "like": "like",
        "without": "without",
        "per": "per",
        "out": "out_of off_of outside_of",
        "because": "because because_of due_to owing_to",
        "instead": "instead_of rather_than",
    },
    joiners="and or versus vs v nor & plus , /",
    copulas="is are was were be been being am get gets got",
    empty="""
            do does did done doing have has had having will would shall could can may might must should i me
            we us you he him she her they them it its there here what which who whom whose how why when
            where so then that if not no very really just also too even still yet already ever quite rather
            indeed own such up down out off away back along around actually basically exactly currently
            generally usually simply please anyway somehow kind_of sort_of type_of kinds_of sorts_of
            types_of let be is are was were been being am get gets got some any one ones used_to going_to gonna
            my mine your yours each_other on_the_other_hand at_all after_all above_all all_right first_of_all all_about
            his hers her our ours their theirs myself yourself himself herself itself themselves
        """,
    faint="""
        thing things way ways stuff get make take give use go come want need try know think mean like
        good great nice useful different various possible certain particular specific
        work help people person someone something anything everything kind type types sort
        example examples really lot many much well new find see look tell say ask call seem happen
        explain describe list show give define definition meaning main important people
        actually best question answer reason place part case point amount
    """,
    light="get make give go come see look use work want need try know think",
    marks={
        "negation:not": """not non never no none nobody nothing nowhere neither nor without cannot cant dont doesnt
            didnt wont isnt arent wasnt werent havent hasnt hadnt shouldnt couldnt wouldnt unable
            no_longer lack lacks lacking fail fails failed hardly barely except excluding stop stops stopped avoid
            instead_of rather_than refuse refuses other_than apart_from except_for everything_but everyone_but all_but
            anything_but nothing_but excluded excludes not_all not_always not_every not_everyone""",
        "negation:free": """free freed exempt exempted exempts exemption exemptions waive waived waives waiver
            waivers""",
        "quantifier:but": "but besides aside_from",
        "quantifier:other": "other others another else elsewhere",
        "quantifier:alternate": "every_other alternate alternating",
        "quantifier:through_rough": "all_the_time",
        "quantifier:through_day": "all_day whole_day entire_day",
        "quantifier:through_night": "all_night whole_night entire_night",
        "quantifier:through_morning": "all_morning whole_morning entire_morning",
        "quantifier:through_afternoon": "all_afternoon whole_afternoon entire_afternoon",
        "quantifier:through_evening": "all_evening whole_evening entire_evening",
        "quantifier:through_week": "all_week whole_week entire_week",
        "quantifier:through_weekend": "all_weekend whole_weekend entire_weekend",
        "quantifier:through_month": "all_month whole_month entire_month",
        "quantifier:through_year": "all_year whole_year entire_year",
        "quantifier:through_summer": "all_summer whole_summer entire_summer",
        "quantifier:through_winter": "all_winter whole_winter entire_winter",
        "quantifier:partly": "partly partially",
        "quantifier:all": """all every each everyone everybody everything everywhere entire whole
            always any_and_all everything_but everyone_but all_but system_wide company_wide site_wide worldwide
            nationwide globally universally across_the_board without_exception""",
        "quantifier:notall": "not_all not_always not_every not_everyone",
        "quantifier:most": "most most_of majority most_people usually mostly",
        "quantifier:somewhat": "mildly slightly somewhat a_bit a_little_bit faintly moderately",
        "quantifier:much": "so_much a_lot very_much",
        "quantifier:many": "many several numerous a_lot_of lots_of plenty often frequently multiple",
        "quantifier:few": "few fewer_than little_of seldom rarely occasionally",
        "quantifier:afew": "a_few",
        "quantifier:alittle": "a_little",
        "quantifier:only": """only solely exclusively merely alone nothing_but just_the just_one just_this just_that
            just_those just_these just_for just_my just_our no_one_but nobody_but purely""",
        "quantifier:both": "both",
        "quantifier:either": "either",
        "quantifier:mean": "the_mean",
        "quantifier:half": "half",
        "quantifier:atleast": """at_least no_less_than not_less_than no_fewer_than or_more or_above or_over or_longer
            or_later or_older""",
        "quantifier:atmost": """at_most no_more_than not_more_than up_to or_less or_fewer or_below or_under or_shorter
            or_earlier or_younger""",
        "quantifier:over": "more_than over_a greater_than exceeding in_excess_of",
        "quantifier:under": "less_than fewer_than smaller_than",
        "quantifier:nearly": "almost nearly",
        "quantifier:about": "approximately roughly around_a",
        "quantifier:exactly": "exactly precisely",
        "quantifier:sometimes": "sometimes",
        "quantifier:some": "some some_of",
        "modality:can": "can could able_to capable_of",
        "modality:may": "may might allowed permitted allowed_to permitted_to",
        "modality:must": """must have_to has_to had_to need_to needs_to required_to obliged_to mandatory compulsory
            obligatory got_to required""",
        "modality:should": "should ought supposed_to had_better recommended advisable ought_to",
        "format:json": "json",
        "format:yaml": "yaml",
        "format:xml": "xml",
        "format:csv": "csv",
        "format:markdown": "markdown",
        "format:table": "as_a_table in_a_table as_table in_table_form in_tabular_form",
        "format:list": "as_a_list in_a_list as_list in_list_form as_a_numbered_list as_a_bulleted_list",
        "format:bullets": "bullet_points bullet_point bullets bulleted",
        "format:paragraph": "paragraph paragraphs full_sentences prose",
        "format:sentence": "in_one_sentence one_sentence in_a_sentence a_single_sentence",
        "format:word": "in_one_word one_word a_single_word",
        "format:page": "in_one_page one_page",
        "format:steps": "step_by_step",
        "format:short": "briefly in_brief in_short concisely in_a_nutshell shortly",
        "format:long": "in_detail in_depth at_length detailed extensively",
        "format:essay": "essay",
        "format:example": "with_an_example with_examples with_example an_example some_examples",
        "format:poem": "poem haiku sonnet limerick",
        "format:email": "as_an_email as_an_e_mail",
        "format:simply": "in_simple_terms for_beginners for_children for_kids in_plain_english in_plain_language",
        "modality:seem": """seem seems seemed seemingly apparently supposedly allegedly reportedly purportedly said_to
            rumoured_to rumored_to""",
        "modality:optional": "optional voluntary",
        "tense:present": "is are am do does isnt arent doesnt dont",
        "tense:future": "will shall going_to gonna wont",
        "tense:habit": "used_to",
        "tense:unreal": "would_have could_have should_have might_have must_have",
        "tense:past": """did was were had went came said took gave made_it knew thought became began wrote spoke
            broke chose drove ate fell flew forgot got grew saw sang sank shook stole swam threw wore woke drank
            ran rang rode rose bought brought caught taught fought found felt kept left lost met paid sent slept
            spent stood told understood won built died held didnt wasnt werent hadnt""",
        "condition:unless": "unless",
        "condition:if": "if whether assuming",
        "condition:provided": "provided_that as_long_as",
        "condition:case": "in_case",
        "condition:asif": "as_if as_though",
        "condition:because": "because now_that",
        "condition:sothat": "so_that in_order_that",
        "condition:assoon": "as_soon_as",
        "condition:whenever": "whenever every_time",
        "condition:evenif": "even_if even_though although though despite in_spite_of regardless",
        "time:before": "before prior_to earlier_than ahead_of in_advance beforehand ahead_of_time",
        "time:after": "after afterwards later_than",
        "time:during": "during while throughout",
        "time:until": "until till",
        "time:since": "since",
        "time:yesterday": "yesterday",
        "time:today": "today tonight",
        "time:tomorrow": "tomorrow",
        "time:now": "now currently nowadays at_the_moment right_now presently these_days",
        "time:ago": "ago",
        "time:again": "again",
        "time:passing": "temporarily for_now for_the_time_being",
        "time:mid": "mid",
        "time:next": "next upcoming",
        "time:last": "last previous last_time",
        "time:already": "already",
        "time:yet": "yet",
        "degree:than": "than",
        "degree:er": """
            more less fewer bigger larger greater smaller longer shorter taller wider narrower thicker
            thinner faster quicker slower better worse hotter warmer colder cooler older newer younger
            earlier later easier simpler harder cheaper lighter brighter darker heavier stronger weaker
            safer richer poorer deeper louder quieter higher closer further farther healthier smarter
            happier
        """,
        "degree:est": """
            most least fewest biggest largest greatest smallest longest shortest tallest widest narrowest
            thickest thinnest fastest quickest slowest best worst hottest warmest coldest coolest oldest
            newest youngest earliest latest easiest simplest hardest cheapest lightest brightest darkest
            heaviest strongest weakest safest richest poorest deepest loudest quietest highest lowest
            closest nearest furthest farthest healthiest smartest happiest
        """,
        "particle:up": "up",
        "particle:down": "down",
        "particle:out": "out",
        "particle:off": "off",
        "particle:away": "away",
        "particle:back": "back",
        "particle:still": "still",
        "particle:even": "even",
        "particle:here": "here",
        "particle:ex": "ex former erstwhile",
        "particle:deputy": "deputy vice",
        "particle:honorary": "honorary emeritus",
        "particle:foster": "foster adoptive adopted",
        "reflexive:self": "myself yourself himself herself itself ourselves yourselves themselves oneself",
        "reflexive:each": "each_other one_another",
        "sibling:feel=cause": """boring confusing tiring annoying exciting frightening disappointing
        embarrassing surprising
            interesting shocking worrying relaxing amusing depressing satisfying disgusting fascinating
            frustrating inspiring
            terrifying exhausting puzzling disturbing upsetting irritating overwhelming intimidating motivating""",
        "sibling:feel=have": """bored confused tired annoyed excited frightened disappointed embarrassed surprised
            interested shocked worried relaxed amused depressed satisfied disgusted fascinated frustrated inspired
            terrified exhausted puzzled disturbed irritated overwhelmed intimidated motivated""",
        "particle:instead": "instead",
        "particle:too": "too",
        "particle:enough": "enough",
        "person:i": "i me my mine myself",
        "person:we": "we us our ours ourselves",
        "person:you": "you your yours yourself u ur yourselves",
        "person:he": "he him his himself",
        "person:she": "she her hers herself",
        "person:it": "its",
        "person:they": "they them their theirs themselves",
    },
    opposed="""
        too_much too_many excess excessive surplus | too_little too_few insufficient shortage deficiency;
        remaining pending outstanding leftover | taken used_up spent elapsed; reverse reversed inverse | forward;
        just | justly;
        on | off; before | after; and | or; if | unless; more | less fewer; most | least fewest; open opened
        unlock | close closed shut lock; max maximum maximal maximise upper | min minimum minimal minimise
        lower; first initial earliest | last final latest; import | export; enable activate allow switch_on
        turn_on power_on permit | disable deactivate block forbid prevent switch_off turn_off power_off prohibit
        ban deny; upload | download; increase raise grow gain rise boost | decrease reduce lower lose shrink
        fall drop lessen diminish decline; buy purchase | sell; start begin launch | stop end quit terminate
        finish halt; add insert append attach include | remove delete subtract detach exclude uninstall drop;
        install | uninstall remove; connect join link plug | disconnect unlink unplug leave detach separate;
        encrypt | decrypt; encode | decode; compress zip pack | decompress unzip unpack extract; show display
        reveal unhide | hide conceal mask; accept approve agree allow confirm | reject refuse decline deny
        disagree cancel; lend | borrow; send give | receive get take; push | pull; left | right; up upward
        upwards | down downward downwards; above over | below under beneath; in inside indoor indoors internal
        interior inner inward | out outside outdoor outdoors external exterior outer outward; log_in login
        sign_in logon | log_out logout sign_out logoff log_off; front forward forwards ahead | back backward
        backwards behind rear; top highest upper | bottom lowest lower; high higher highest | low lower lowest;
        big bigger biggest large larger largest huge great greater greatest | small smaller smallest tiny
        little; long longer longest | short shorter shortest brief; tall taller tallest | short shorter
        shortest; wide wider broad | narrow narrower; thick thicker | thin thinner; fast faster fastest quick
        quicker quickest quickly rapid | slow slower slowest slowly; good better best | bad worse worst poor;
        pro pros advantage advantages benefit benefits strength strengths upside | con cons disadvantage
        disadvantages drawback drawbacks weakness weaknesses downside; hot hotter hottest warm warmer heat |
        cold colder coldest cool cooler chill; old older oldest | new newer newest young younger youngest; early
        earlier earliest sooner | late later latest; easy easier easiest simple simpler | hard harder hardest
        difficult; cheap cheaper cheapest inexpensive | expensive dear costly; light lighter bright brighter |
        dark darker heavy heavier heaviest; strong stronger strongest | weak weaker weakest; safe safer safest |
        dangerous unsafe risky; legal lawful | illegal unlawful; true right correct | false wrong incorrect;
        positive | negative; same equal identical alike | different unequal distinct; public | private; free |
        paid; full | empty; wet | dry; alive living live | dead die; rich richer richest wealthy | poor poorer
        poorest; happy | sad unhappy; love like | hate dislike; friend friends ally | enemy enemies foe; male
        man men boy boys husband father son brother king he | female woman women girl girls wife mother daughter
        sister queen she; win winner | lose loser; success succeed pass | failure fail; attack | defend; always
        | never; everyone everybody | nobody; day daytime | night nighttime; morning | evening; today | tomorrow
        yesterday; tomorrow | yesterday; yes | no; input | output; read | write; client | server; source origin
        | target destination; parent | child; question | answer; ascending | descending; horizontal horizontally
        | vertical vertically; odd | even; import imports | export exports; arrive arrival arrivals come enter
        entry entrance | depart departure departures leave go exit; credit | debit; profit | loss; asset assets
        | liability liabilities; income revenue | expense expenses expenditure; employer | employee employees;
        teacher | student students pupil; doctor | patient; landlord | tenant; plaintiff | defendant; hire
        employ | fire dismiss; marry | divorce; save | spend delete discard; create build make produce | destroy
        delete demolish; lock | unlock; freeze | thaw melt; mute | unmute; follow | unfollow; subscribe |
        unsubscribe; mount | unmount; undo | redo; merge combine | split separate divide; expand grow | shrink
        collapse contract; multiply | divide; plus | minus; solid | liquid; acid | base alkaline; summer |
        winter; north northern | south southern; east eastern | west western; absolute | relative; static |
        dynamic; local | remote global; manual manually | automatic automatically; online | offline; synchronous
        sync | asynchronous async; single unmarried | married multiple; singular | plural; active | passive
        inactive; major | minor; majority | minority; optional | mandatory required compulsory; temporary
        temporarily | permanent permanently; vegetarian vegan | meat; sharp | blunt; deep deeper | shallow
        shallower; loud louder | quiet quieter silent; natural | artificial synthetic; domestic | foreign; urban
        city | rural countryside; ancient | modern; guilty | innocent; offense offence | defense defence; supply
        | demand; theory | practice; cause causes | effect effects; predecessor | successor; ancestor |
        descendant; sunrise | sunset; birth born | death died; prefix | suffix; inhale | exhale; immigrate
        immigration immigrant | emigrate emigration emigrant; explicit | implicit; minimum | maximum; convex |
        concave; clockwise | anticlockwise counterclockwise; hyper | hypo; overweight | underweight;
        overestimate | underestimate; upgrade | downgrade; promote promotion | demote demotion; inflation |
        deflation; deposit | withdraw withdrawal; request | response; sender | recipient receiver; seller vendor
        | buyer customer; raw | cooked; fresh | frozen stale; sweet | sour bitter salty; soft | hard; smooth |
        rough; clean | dirty; awake wake | asleep sleep; remember | forget; teach | learn; ask | answer;
        question | reply; sit | stand; throw | catch; backup | restore; pause stop | resume continue; master |
        slave; encrypt encryption | decrypt decryption; visible | invisible hidden; with | without; like |
        unlike; inhabited | uninhabited; necessary | unnecessary; possible | impossible; here | there; opposite
        across_from | beside next_to
    """,
    same="""
        buy purchase; fix repair mend; begin start commence; finish complete; delete erase remove eliminate;
            car automobile; phone telephone smartphone cellphone mobile; photo photograph photos picture
        pictures pic pics image; film movie; tv television telly; job occupation; company firm business
        corporation; big large huge; small little tiny; fast quick rapid; quickly rapidly; difficult hard tough;
        easy simple; choose select pick; create make; change modify alter update edit; build construct; get
        obtain acquire
        receive; cost price; money cash; error mistake; issue problem trouble; doctor physician; lawyer
        attorney; kid child children kids; mother mom mum mommy mummy; father dad daddy; autumn fall_season;
        holiday vacation holidays; trip journey; flat apartment; lift elevator; petrol gasoline; lorry
        truck; rubbish garbage trash waste; biscuit cookie; pavement sidewalk; colour color; centre center;
        theatre theater; grey gray; tyre tire; aluminium aluminum; programme program; cheque check; maths math
        mathematics; defence defense; licence license; practise practice; organisation organization; jewellery
        jewelry; catalogue catalog; dialogue dialog; analogue analog; aeroplane airplane plane aircraft; enrol
        enroll; fulfil fulfill; skilful skillful; travelling traveling; cancelled canceled; sceptical skeptical;
        mould mold; plough plow; pyjamas pajamas; moustache mustache; draught draft; storey story_floor; kerb
        curb; sulphur sulfur; doughnut donut; yoghurt yogurt; whisky whiskey; email e_mail mail; website
        web_site site; wifi wi_fi wireless; laptop notebook; pc computer; app application; picture image;
        password passcode; login log_in sign_in log_into sign_into logged_in logon log_on; logout log_out
        sign_out; setup set_up configure
        configuration; backup back_up; signup sign_up register;  bug defect; display show;
        reset resetting; happen occur; speak talk; look_for search seek find; help assist; make_money making_money
            earn_money earning_money;
        find_out discover; figure_out
        determine; explain describe; meaning definition define mean; difference differ distinction differences
        differentiate; advantage benefit advantages benefits pro pros; disadvantage drawback disadvantages
        drawbacks con cons; important significant; famous popular well_known; beautiful pretty; happy glad; sad
        unhappy; ill sick unwell; illness sickness disease; treat treatment; cure remedy; carburettor carburetter
        carburetor carburator; medicine medication
        drug; exam examination; university college; teacher instructor; city town; country
        nation; usa us united_states america u_s_a; uk united_kingdom; britain great_britain; eu european_union;
        un united_nations; ai artificial_intelligence; ml machine_learning; os operating_system; db database; js
        javascript; ny new_york; nyc new_york_city; method approach technique procedure; teach instruct; learn
        study; increase raise boost grow; decrease reduce lower; improve enhance better_at; allow permit; forbid
        prohibit ban; need require; require need; want wish; use utilize utilise employ; keep retain; stop quit
        cease; try attempt; answer reply respond; shop store; weight kilos; lose_weight losing_weight loses_weight
        lost_weight loose_weight weight_loss slim_down;
        overweight fat obese; cook prepare; sleep slumber; biggest largest; smallest tiniest; bike bicycle;
        fridge refrigerator; sofa couch; road street; cab taxi; luggage baggage; shut close; whole entire; near
        nearby close_to; rich wealthy; salary wage wages pay; employee worker; boss manager supervisor; gift
        present; guess estimate; compute calculate; convert transform; copy duplicate; connect link; file
        document; folder directory; function method; argument parameter; install installation installing;
        develop development; translate translation; summarise summarize summary; compare comparison; calculate
        calculation; recommend suggest recommendation suggestion; apply application_for; travel travelling;
        visit visiting; safe secure; smart clever intelligent; dumb stupid; girlfriend gf; boyfriend bf; thank
        thanks; people folks persons; dog puppy; cat kitty; rabbit bunny; scared afraid; angry mad; funny
        humorous; weird strange odd; rule regulation; goal aim objective purpose; result outcome; effect impact
        influence; idea thought; story tale; speech talk_speech; war warfare; boil boiling; freeze freezing;
        password pwd; minutes mins; hours hrs; information info; address addr; message msg; number no_;
        repository repo; command cmd; directory dir; environment env; variable var; development dev; production
        prod; administrator admin; kubernetes k8s; postgresql postgres
    """,
    siblings={
        "speech": """
            ask/asks/asked/asking/request/requests/requesting offer/offers/offered/offering
            accept/accepts/accepted/accepting decline/declines/declined/declining/reject/rejects/rejected
            apology/apologies/apologise/apologize denial/denials/deny/denies
        """,
        "channel": "online in_person by_post by_phone by_email face_to_face",
        "causative": """
            let/lets make/makes/made/making force/forced forbid/forbidden order/ordered persuade
            promise/promised beg invite
            help/helps/helped watch/watches ask/asks/asked tell/tells/told want/wants expect/expects
            teach/teaches allow/allows
        """,
        "release": "alpha beta nightly canary stable trial preview lts",
        "learned": "universe/universes university/universities",
        "thrift": "economic economical",
        "past": "historic historical",
        "register": "director/directors directory/directories",
        "industry": "industrial industrious",
        "colour": """
            red blue green yellow orange purple/violet pink brown black white grey/gray turquoise gold/golden
            silver
        """,
        "weekday": """
            monday/mondays tuesday/tuesdays wednesday/wednesdays thursday/thursdays friday/fridays
            saturday/saturdays sunday/sundays weekend/weekends weekday/weekdays
        """,
        "season": """
            spring/springtime summer autumn winter
        """,
        "daytime": """
            morning noon/midday/lunchtime afternoon evening night/midnight
        """,
        "relative": """
            mother/mom/mum father/dad brother sister son daughter uncle aunt grandmother/grandma
            grandfather/grandpa cousin nephew niece husband wife girlfriend boyfriend
            grandson granddaughter grandchild/grandchildren grandparent/grandparents great_grandfather
            great_grandmother great_grandparents great_grandson great_granddaughter great_grandchild great_uncle
            great_aunt great_nephew great_niece stepmother stepfather stepbrother stepsister stepson stepdaughter
            half_brother half_sister mother_in_law father_in_law brother_in_law sister_in_law son_in_law
            daughter_in_law godmother godfather godson goddaughter
        """,
        "period": """
            second/seconds minute/minutes hour/hours/hourly day/days/daily week/weeks/weekly
            month/months/monthly quarter/quarters/quarterly year/years/yearly/annual/annually decade/decades
            century/centuries
        """,
        "meal": """
            breakfast lunch dinner/supper dessert snack
        """,
        "animal": """
            dog/dogs/puppy cat/cats/kitten horse/horses cow/cows/cattle pig/pigs sheep goat/goats
            chicken/chickens/hen duck/ducks rabbit/rabbits mouse/mice rat/rats lion/lions tiger/tigers
            elephant/elephants bear/bears wolf/wolves fox/foxes snake/snakes bird/birds fish shark/sharks
            whale/whales dolphin/dolphins bee/bees ant/ants spider/spiders frog/frogs turtle/turtles
            monkey/monkeys penguin/penguins owl/owls eagle/eagles butterfly/butterflies mosquito/mosquitoes
            hamster/hamsters
        """,
        "food": """
            apple/apples banana/bananas orange/oranges lemon/lemons grape/grapes strawberry/strawberries
            tomato/tomatoes potato/potatoes carrot/carrots onion/onions garlic rice pasta/spaghetti bread cheese
            butter milk egg/eggs beef/steak pork chicken lamb salmon tuna sugar salt pepper honey chocolate
            coffee tea beer wine water juice pizza burger/burgers/hamburger soup salad cake/cakes mango/mangoes
            avocado/avocados
        """,
        "body": """
            head face eye/eyes ear/ears nose mouth tooth/teeth neck shoulder/shoulders arm/arms hand/hands
            finger/fingers chest back stomach/belly leg/legs knee/knees foot/feet toe/toes ankle/ankles
            wrist/wrists elbow/elbows skin hair heart liver kidney/kidneys lung/lungs brain bone/bones blood
        """,
        "format": """
            list/lists table/tables paragraph/paragraphs sentence/sentences bullet/bullets/bullet_points page/pages
            essay/essays poem/poems letter/letters email/e-mail summary json yaml xml csv markdown html word/words
            haiku sonnet limerick tweet diagram chart graph
        """,
        "metal": """
            gold silver bronze copper iron steel aluminium/aluminum lead zinc tin nickel platinum titanium
            mercury wood/wooden glass plastic paper stone leather cotton wool silk
        """,
        "element": """
            hydrogen helium oxygen nitrogen carbon sodium potassium calcium magnesium chlorine sulphur/sulfur
            phosphorus uranium lithium methane ethanol/alcohol methanol ammonia
        """,
        "planet": """
            mercury venus earth mars jupiter saturn uranus neptune pluto moon sun
        """,
        "job": """
            doctor/physician nurse teacher lawyer/attorney engineer pilot chef/cook police/policeman firefighter
            farmer plumber electrician dentist accountant architect actor/actress singer writer/author painter
            president chancellor king queen minister mayor governor senator judge
        """,
        "sport": """
            football/soccer basketball baseball tennis golf hockey rugby cricket volleyball swimming running
            cycling boxing chess badminton
        """,
        "instrument": """
            guitar piano violin drums/drum flute trumpet saxophone cello harp
        """,
        "vehicle": """
            car/cars bus/buses train/trains plane/airplane/aeroplane bike/bicycle/bikes ship/boat truck/lorry
            motorcycle/motorbike taxi/cab tram helicopter ferry scooter
        """,
        "order": """
            first second third fourth fifth last
        """,
        "direction": """
            north/northern south/southern east/eastern west/western northeast northwest southeast southwest
        """,
        "subject": """
            math/mathematics/maths physics chemistry biology history geography economics philosophy psychology
            medicine law engineering astronomy sociology
        """,
        "illness": """
            flu/influenza cold cancer diabetes asthma malaria measles headache fever cough depression anxiety
            stroke covid pneumonia allergy/allergies migraine
        """,
        "faith": """
            christianity/christian/christians islam/muslim/muslims judaism/jewish/jews/jew hinduism/hindu/hindus
            buddhism/buddhist/buddhists atheism/atheist/atheists
        """,
        "shape": """
            circle square triangle rectangle cube sphere cylinder cone pyramid hexagon pentagon
        """,
        "quantity": """
            area volume perimeter/circumference radius diameter height width length depth weight/mass density
            speed/velocity temperature pressure age population price/cost
        """,
        "statistic": """
            sum/total average/mean median mode variance product difference_of count
        """,
        "document": """
            invoice receipt contract passport visa licence/license certificate ticket warranty refund password
            username email address phone account subscription order
        """,
        "room": """
            kitchen bathroom bedroom garage garden basement attic office
        """,
        "device": """
            laptop/notebook phone/smartphone/iphone tablet/ipad printer scanner monitor keyboard mouse router
            camera television/tv microphone speaker/speakers headphones fridge/refrigerator oven dishwasher
        """,
        "code": """
            string/strings integer/integers/int float/floats boolean/booleans list/lists array/arrays
            tuple/tuples dictionary/dict/dictionaries/hash/map set/sets class/classes function/functions
            variable/variables loop/loops file/files folder/directory/folders/directories table/tables
            column/columns row/rows index branch/branches commit/commits tag/tags database
        """,
    },
    irregular="""
        big bigger biggest; large larger largest; great greater greatest; small smaller smallest; long longer
        longest; short shorter shortest; tall taller tallest; wide wider widest; narrow narrower narrowest;
        thick thicker thickest; thin thinner thinnest; fast faster fastest; quick quicker quickest; slow slower
        slowest; good better best; bad worse worst; hot hotter hottest; warm warmer warmest; cold colder
        coldest; cool cooler coolest; old older oldest; new newer newest; young younger youngest; early earlier
        earliest; late later latest; easy easier easiest; simple simpler simplest; hard harder hardest; cheap
        cheaper cheapest; light lighter lightest; bright brighter brightest; dark darker darkest; heavy heavier
        heaviest; strong stronger strongest; weak weaker weakest; safe safer safest; rich richer richest; poor
        poorer poorest; deep deeper deepest; loud louder loudest; quiet quieter quietest; high higher highest;
        low lower lowest; close closer closest; healthy healthier healthiest; smart smarter smartest; happy
        happier happiest;
        be am is are was were been being; have has had having; do does did done doing; go goes went gone going;
        make made makes making; take took taken taking; get got gotten gets getting; write wrote written
        writing; bite bit bitten biting; eat ate eaten; see saw seen; speak spoke spoken; break broke broken;
        choose chose chosen; drive drove driven; fall fell fallen; give gave given; know knew known; grow grew
        grown; throw threw thrown; draw drew drawn; fly flew flown; blow blew blown; begin began begun
        beginning; drink drank drunk; sing sang sung; swim swam swum swimming; run ran running; ring rang rung;
        come came; become became; buy bought; bring brought; think thought; catch caught; teach taught; fight
        fought; find found; feel felt; keep kept; leave left; lose lost; meet met; pay paid; send sent; sleep
        slept; spend spent; stand stood; tell told; understand understood; win won winning; build built; die
        died dying dies; hold held; say said; sell sold; sit sat sitting; shoot shot; steal stole stolen; hide
        hid hidden; ride rode ridden; rise rose risen; wear wore worn; tear tore torn; wake woke woken; forget
        forgot forgotten forgetting; forgive forgave forgiven; beat beaten; invite invited; lie lying lies;
        set setting sets; put putting puts; cut cutting; use
        used using uses; lead led; feed fed; read reading reads; hear heard; show shown showed; hit hitting;
        kill killed; lay laid; mean meant means; seek sought; shake shook shaken; sink sank sunk; strike struck;
        swear swore sworn; bear bore borne; bind bound; bleed bled; breed bred; dig dug digging; freeze froze
        frozen; lend lent; light lit; quit quitting; shut shutting; split splitting; spread spreading
    """,
    plurals="""
        child children; man men; woman women; person people; foot feet; tooth teeth; mouse mice; goose geese;
        knife knives; life lives; wife wives; leaf leaves; wolf wolves; half halves; index indices indexes;
        analysis analyses; datum data; criterion criteria; ox oxen; louse lice; thief thieves; shelf shelves;
        loaf loaves; calf calves; scarf scarves; tax taxes; bus buses; virus viruses; status statuses; lens
        lenses; address addresses; process processes; business businesses; glass glasses; class classes; boss
        bosses
    """,
    negated="un in im il ir dis non de mis anti counter",
    units={
        "km": "km kilometer kilometre kilometers kilometres kms kmh",
        "m": "meter metre meters metres",
        "cm": "cm centimeter centimetre centimeters centimetres",
        "mm": "mm millimeter millimetre millimeters millimetres",
        "mile": "mile miles mi",
        "inch": "inch inches",
        "ft": "ft foot feet",
        "yard": "yard yards",
        "kg": "kg kilogram kilograms kilo kilos kgs",
        "g": "gram grams",
        "mg": "mg milligram milligrams",
        "lb": "lb lbs pound pounds",
        "oz": "oz ounce ounces",
        "tonne": "ton tons tonne tonnes",
        "l": "liter litre liters litres",
        "ml": "ml milliliter millilitre milliliters millilitres",
        "gallon": "gallon gallons",
        "celsius": "celsius centigrade",
        "fahrenheit": "fahrenheit",
        "kelvin": "kelvin",
        "%": "percent pct percentage per_cent",
        "usd": "dollar dollars usd bucks",
        "eur": "euro euros eur",
        "gbp": "gbp sterling",
        "jpy": "yen jpy",
        "chf": "chf franc francs",
        "inr": "rupee rupees inr",
        "cny": "yuan renminbi cny",
        "btc": "bitcoin bitcoins btc",
        "eth": "ethereum eth",
        "cent": "cent cents",
        "ms": "ms millisecond milliseconds",
        "s": "sec secs",
        "min": "minute minutes mins",
        "h": "hour hours hr hrs",
        "kb": "kb kilobyte kilobytes",
        "mb": "mb megabyte megabytes",
        "gb": "gb gigabyte gigabytes",
        "tb": "tb terabyte terabytes",
        "bit": "bit bits",
        "byte": "byte bytes",
        "kw": "kw kilowatt kilowatts",
        "w": "watt watts",
        "v": "volt volts",
        "a": "amp amps ampere amperes",
        "hz": "hz hertz",
        "ghz": "ghz gigahertz",
        "mph": "mph",
        "acre": "acre acres",
        "hectare": "hectare hectares",
        "cup": "cup cups",
        "tbsp": "tablespoon tablespoons tbsp",
        "tsp": "teaspoon teaspoons tsp",
        "calorie": "calorie calories kcal",
        "joule": "joule joules",
        "degree": "degree degrees",
        "points": "percentage_point percentage_points pp",
        "basis points": "basis_point basis_points bps",
        "permille": "per_mille permille",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "year years",
        "decade": "decade decades",
        "ma": "milliamp milliamps",
    },
    numbers={
        **{
            word: value
            for value, word in enumerate(
                [
                    "zero",
                    "one",
                    "two",
                    "three",
                    "four",
                    "five",
                    "six",
                    "seven",
                    "eight",
                    "nine",
                    "ten",
                    "eleven",
                    "twelve",
                    "thirteen",
                    "fourteen",
                    "fifteen",
                    "sixteen",
                    "seventeen",
                    "eighteen",
                    "nineteen",
                    "twenty",
                ]
            )
            if word != "one"
        },
        **dict(
            zip(["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(30, 100, 10), strict=True)
        ),
        **{
            word: value
            for value, word in enumerate(
                ["third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"],
                start=3,
            )
        },
        "dozen": 12,
        "first": 1,
        "second": 2,
        "twice": 2,
        "double": 2,
        "thrice": 3,
        "triple": 3,
        "quadruple": 4,
        "once": 1,
    },
    multipliers={"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12},
    framing=(
        r"if (?:this|that|it) (?:is|was|sounds like) (?:a |an )?(?:\S+ ){0,3}?question(?: ,)?(?: but)?",
        r"forgive my (?:ignorance|asking)(?: ,)?(?: but)?",
        (
            r"(?:this|it) (?:is|may be|sounds) (?:a bit |very |really |probably )?(?:embarrassing|silly|stupid|"
            r"obvious|basic) , but"
        ),
        r"you will laugh(?: ,)? but",
        r"my mind (?:has gone|went|is) blank(?: ,)?(?: but)?",
        r"i (?:can never remember|never remember|always forget|keep forgetting)(?: this| it)?(?= [!.,:;]+ | $)",
        (
            r"i have (?:searched|looked|googled) (?:everywhere|for hours)(?: (?:and|"
            r"but) (?:have )?found nothing)?(?= [!.,:;]+ | $)"
        ),
        r"(?:somebody|someone) must have asked (?:this|it) before(?: ,)?(?: but)?",
        (
            r"(?:urgent|help|emergency|sos|asap|(?:this|it) is (?:very |really |so |quite )?(?:urgent|"
            r"an emergency))(?= [!.,:;]+ | $)"
        ),
        r"(?:i )?need to know (?:this )?(?:asap|urgently|right now|quickly)(?= [!.,:;]+ | $)",
        r"i am (?:really |so |completely )*(?:desperate|panicking|in a hurry)(?: here)?(?= [!.,:;]+ | $)",
        (
            r"(?:please|kindly|(?:hi|hello|hey|dear)(?: (?:there|all|everyone|everybody|guys|folks|team))*|"
            r"ok|okay|so|well|just|actually|basically|quick "
            r"question|question|sorry|"
            r"excuse me|(?:thanks|thank you|thx)(?: (?:so|very) much)?(?: in advance)?|"
            r"good (?:morning|afternoon|evening)|"
            r"pls|plz|um|hmm|hm|"
            r"yo|sir|madam|assistant|i have a (?:quick )?question(?: about)?|my question is)"
        ),
        _ASK
        + r"(?: (?:please|kindly|possibly|maybe|perhaps|also|just|quickly))* "
        + _TELL
        + r"(?: about)?(?: (?:please|the following))?",
        r"(?:please )?(?:tell (?:me|us)(?: about)?|explain(?: to me| me)?|let me know|describe(?: to me)?)",
        (
            r"(?:i|we) (?:would (?:really )?(?:like|love|want)|want|need|wish|am trying|am looking|was "
            r"hoping|would be glad|"
            r"would be interested|am interested|are trying|have been trying) (?:to|in) "
            r"(?:know|understand|learn|ask(?: you)?(?: about)?|find out|figure out|hear|be told|knowing|learning|"
            r"understanding)(?: about)?(?: more about)?"
        ),
        (
            r"(?:i|we) (?:am|was|are|were|have been) (?:just )?(?:wondering|curious|asking(?: myself)?|"
            r"unsure|confused|not sure)"
            r"(?: about| to (?:know|learn|hear|find out|understand))?"
        ),
        r"i (?:wonder|wondered)",
        r"i (?:do not|did not) (?:know|understand)",
        (
            r"i (?:need|want|would like|require) (?:some |your )?(?:help|advice|information|assistance|guidance)"
            r"(?: (?:with|on|about|for|understanding|regarding))?"
        ),
        (
            r"(?:do|does|did|would|might) (?:you|anyone|anybody|someone|somebody)(?: here)? (?:happen to )?"
            r"(?:know|remember|have (?:any|an) idea)(?: of| about)?"
        ),
        r"(?:would|do) you mind (?:telling|explaining|showing|letting)(?: me| to me| us)?(?: know)?",
        r"(?:would|will|is) it (?:be )?possible (?:for you )?to (?:tell|explain|show)(?: me| to me)?",
        r"(?:may|can|could|might) i (?:please )?(?:ask(?: you)?|know|get to know)",
        r"is there (?:any|a) chance (?:that )?you (?:could|can) " + _TELL,
        r"any idea(?:s)?(?: about)?",
        r"(?:it would be (?:great|nice|helpful|good) if you could|i would appreciate it if you could|i "
        r"would be grateful "
        r"if you could|i would like you to|i want you to|i need you to|be so kind as to|would you be so kind as to|"
        r"help me(?: to)?(?: understand)?|what i (?:want|would like) to know is|i am looking for|in your opinion|"
        r"according to you)(?: " + _TELL + ")?",
        r"remind me(?: again)?",
        _ASK + r"(?: (?:please|kindly|possibly|maybe|also|just|quickly))*",
    ),
    closing=(
        (
            r"(?:please|pls|plz|(?:(?:many )?thanks|thank you|thx|cheers)(?: (?:in advance|very much|so much|a lot))*|"
            r"for me|to me|if possible|"
            r"if you can|if you could|if you do not mind|kindly|exactly|anyway|though|mate|sir|madam|"
            r"i wonder|i would like to know|do you know|can you tell me|can you help(?: me)?|any (?:ideas|"
            r"help|advice|tips))"
        ),
    ),
    kinds=(
        (r"who (?:is|was) it (?:that|who)", "who"),
        (r"where (?:is|was) it that", "where"),
        (r"(?:give me|show me|list|name)(?= (?:the|an?) (?:\S+ ){1,3}of )", "what"),
        (r"what (?:is|was) (?:it that (?:makes|causes)|the thing that causes)", "why"),
        (r"when (?:is|was) it that", "when"),
        (r"how (?:do|does)(?= (?:\S+ ){1,8}differ )", "what"),
        (r"what (?:is|are|was|were)(?= (?:\S+ ){1,8}like )", "how"),
        (
            r"(?:what|which) (?:is|are|would be|will be|could be|were|was|s)? ?(?:(?:the|some|a|an|any|your|few|of) )*"
            + _GOOD
            + _WAY
            + r" (?:to|of|for|in which|that|by which|on how to|on)"
            + rf"(?: (?:{_ANYONE} )?(?:can|could|may|should|do))?(?: {_ANYONE}(?: to)?)?",
            "how",
        ),
        (
            (
                rf"(?:is|are) there (?:(?:a|an|any|some|the) )*{_GOOD}{_WAY} (?:to|of|for|that|in which|i "
                rf"can|you can|one can)"
                rf"(?: {_ANYONE})?(?: (?:to|can))?"
            ),
            "how",
        ),
        (
            (
                rf"how (?:do|can|could|would|should|might|may|shall|must|to) ?{_ANYONE}?(?: (?:best|"
                rf"actually|properly|easily|"
                r"possibly|correctly|just|then|even|simply|go about|be able to|manage to|actually))*"
            ),
            "how",
        ),
        (rf"how {_ANYONE} (?:can|could|should|may|might|would)(?: (?:best|actually|properly|easily))*", "how"),
        (rf"how (?:am|are|is) {_ANYONE} (?:able|supposed|meant|going) to", "how"),
        (r"how (?:is it possible|does one go about|would it be possible) to", "how"),
        (rf"what (?:should|must|can|could|do|does|shall) {_ANYONE} (?:need to |have to )?do (?:in order )?to", "how"),
        (r"what (?:does it take|do i need) to", "how"),
        (r"(?:in|by) (?:what|which) (?:way|ways|manner|means) (?:do|does|can|could|is|are)", "how"),
        (r"(?:the )?(?:best|easiest|simplest) (?:way|ways|method) (?:to|of|for)", "how"),
        (r"(?:tips|advice|ways|steps|instructions|a guide|guide) (?:to|on|for|of)(?: how to)?", "how"),
        (
            (
                r"what (?:is|are|was|were|could be|s|would be) (?:(?:the|some|a|possible|main|real|actual) )*"
                r"(?:reason|reasons|cause|causes|explanation)(?: (?:why|that|for|of|behind|because of which))?"
            ),
            "why",
        ),
        (
            r"(?:how come|for (?:what|which) reason(?:s)?|why|what causes|what makes|what is why|reasons? (?:why|for))",
            "why",
        ),
        (
            (
                r"(?:how much(?! time)|what (?:is|was|are) the (?:total )?(?:amount|quantity) of|what amount of|"
                r"what (?:is|are) the(?= (?:price|prices|cost|costs) ))"
            ),
            "amount",
        ),
        (r"(?:how many|what (?:is|was|are) the (?:total )?(?:number|count) of|what number of)", "count"),
        (r"(?:how long|how much time|what is the (?:duration|length) of|for how long)", "duration"),
        (r"how (?:often|frequently|regularly)", "frequency"),
        (
            (
                r"how(?= (?:far|old|big|tall|heavy|high|deep|fast|hot|cold|large|wide|strong|expensive|hard|"
                r"difficult|good|bad) )"
            ),
            "extent",
        ),
        (
            (
                r"(?:when|(?:at )?what time|(?:on|in|at|during)? ?(?:what|which) (?:day|date|year|month|week)"
                r"(?: (?:is|was|did|does|will|of))?)"
            ),
            "when",
        ),
        (r"(?:where|(?:in|at|on) (?:what|which) (?:place|location|spot)|what is the location of|whereabouts)", "where"),
        (r"(?:who|whom|which person|what person|by whom)", "who"),
        (r"whose", "whose"),
        (r"(?:what|which) if", "whatif"),
        (
            rf"(?:is|would|will) it (?:be )?(?:possible|ok|okay|fine|permitted|allowed) (?:for {_ANYONE} )?to",
            "polar can",
        ),
        (rf"(?:can|could|may|might) {_ANYONE}", "polar can"),
        (rf"(?:am|are|is) {_ANYONE} (?:allowed|permitted|able) to", "polar can"),
        (
            (
                rf"(?:must|do|does|am|are|is|it) (?:{_ANYONE} |it )?(?:have|need|necessary|required|obliged) "
                rf"(?:for {_ANYONE} )?to"
            ),
            "polar must",
        ),
        (rf"must {_ANYONE}", "polar must"),
        (rf"should {_ANYONE}", "polar should"),
        (r"is it (?:advisable|recommended|a good idea|better|wise) (?:for me |for us )?to", "polar should"),
        (r"(?:what|which)", "what"),
        (r"how", "how"),
    ),
    kind_words={
        "how": "how",
        "why": "why",
        "when": "when",
        "where": "where",
        "who": "who whom",
        "whose": "whose",
        "what": "what which",
    },
    verbs_move=True,
    nouns_plain=True,
    yes_no="""is are was were am do does did can could will would shall should may might must has have had isnt arent
        doesnt dont didnt cant wont""",
    link="and",
    families="""
        custom customs; damage damages; glass glasses; saving savings; physic physics; moral/morals morale;
        content contents; bath/baths bathe/bathes; breath/breaths breathe/breathes/breathing; cloth/cloths clothes;
        short shorts; tight tights; premise premises; earning earnings; proceeding proceedings;
        surrounding surroundings;
        spirit spirits; draught draughts; dart darts; good goods; manner manners; ash ashes; security securities;
        utility utilities; dinning dining; torte/tortes tort/torts; human/humans humane; odd odds; respect respects;
        new news
    """,
    agent="by",
    objects="whom",
    anyone="one someone somebody anyone anybody everyone everybody people",
    gradable="reverse inverse fake virtual electric raw frozen wild median net gross",
    real="""
        lightning commended commented commenting deceased startling spitting mediation meditation commandos economies
        displaced competed competing competes director directors suppliers developer developers presenter depending
        contacted contrasted contrasting contrasts contacts expansive extensive regaining remaining soothing counties
        signing promoters commander cleansing producers prompting committee complexes photography photographer
        traveller traveler programmer programmers destroyer discovery lithuanian venezuelan ethiopian economist
        stationary stationery complement compliment complimentary complementary personnel principle principal mortality
        morality adoption adaption adaptation conversation conservation emigration immigration hypertension hypotension
        prescription proscription eminent imminent ingenious ingenuous perspective prospective cooperation corporation
        competence competition desert dessert deserts desserts angels angles martial marital casual causal diary dairy
        trial trail statue statute status stature affect effect elicit illicit adverse averse allusion illusion
        confident confidant consul counsel council councils counsels discreet discrete envelop envelope
        formerly formally
        industrial industrious insure ensure lessen lesson medal metal moral morale precede proceed profit
        prophet sensible
        sensitive straight strait vacation vocation veracity voracity conscious conscience consciousness conscientious
    """,
    haves="have has had having 've",
    perfect="perfect",
    participle=_PAST + r"|been|gone|done|made|seen|taken|given|known|written|spoken|broken|chosen|eaten|won|"
    r"lost|become|come|"
    r"found|built|bought|sold|paid|sent|met|left|begun|grown|read|had",
    past=_PAST,
    past_kept=True,
    contractions={
        "can't": "can not",
        "cannot": "can not",
        "cant": "can not",
        "won't": "will not",
        "wont": "will not",
        "shan't": "shall not",
        "dont": "do not",
        "doesnt": "does not",
        "didnt": "did not",
        "isnt": "is not",
        "arent": "are not",
        "wasnt": "was not",
        "werent": "were not",
        "havent": "have not",
        "hasnt": "has not",
        "hadnt": "had not",
        "shouldnt": "should not",
        "couldnt": "could not",
        "wouldnt": "would not",
        "mustnt": "must not",
        "neednt": "need not",
        **dict.fromkeys(["whcih", "wich", "wihch", "whihc", "whiich", "whhich"], "which"),
        **dict.fromkeys(["waht", "wath", "wat", "whta"], "what"),
        **dict.fromkeys(["hwo", "ohw"], "how"),
        **dict.fromkeys(["wehn", "whne"], "when"),
        **dict.fromkeys(["wehre", "whree", "wheer"], "where"),
        **dict.fromkeys(["shuold", "shoud", "shold", "shoudl"], "should"),
        **dict.fromkeys(["abuot", "aboout", "abotu"], "about"),
        **dict.fromkeys(["becuase", "beacuse", "becasue"], "because"),
        **dict.fromkeys(["teh", "hte"], "the"),
        "thier": "their",
        "thsi": "this",
        "taht": "that",
        "adn": "and",
        "coudl": "could",
        "woudl": "would",
        "wats": "what is",
        "whats": "what is",
        "wheres": "where is",
        "whos": "who is",
        "hows": "how is",
        "thats": "that is",
        "theres": "there is",
        "im": "i am",
        "ive": "i have",
        "youre": "you are",
        "youve": "you have",
        "theyre": "they are",
        "its": "its",
        "let's": "let us",
        "lets": "let us",
        "ain't": "is not",
        "gonna": "going to",
        "wanna": "want to",
        "gotta": "have to",
        "u": "you",
        "ur": "your",
        "r": "are",
        "y'all": "you",
        "ok": "okay",
        "pls": "please",
        "plz": "please",
        "thx": "thanks",
        "i'd": "i would",
        "you'd": "you would",
        "he'd": "he would",
        "she'd": "she would",
        "we'd": "we would",
        "they'd": "they would",
        "it's": "it is",
        "that's": "that is",
        "what's": "what is",
        "where's": "where is",
        "who's": "who is",
        "how's": "how is",
        "when's": "when is",
        "why's": "why is",
        "there's": "there is",
        "here's": "here is",
        "he's": "he is",
        "she's": "she is",
        "everyone's": "everyone is",
        "id": "id",
    },
)
