"""What the guards know of Spanish."""

from appliance.similar.words.form import Words

_ANYONE = r"(?:yo|uno|alguien|nosotros|tú|usted|se)"
_GOOD = r"(?:(?:mejor|mejores|buena|buenas|simple|fácil|diferentes|distintas|más fácil|más sencilla|más simple) )*"
_WAY = r"(?:formas?|maneras?|modos?|métodos?|pasos|procedimiento|consejos|trucos|vía)"
_VERB = r"(?:decir|explicar|mostrar|indicar|describir|ayudar|enseñar|aclarar|contar|informar|recordar)(?:me|nos)?"
_TENS = ["veinte", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"]

WORDS = Words(
    determiners="""el la los las lo un una unos unas este esta estos estas ese esa esos esas aquel aquella mi
            mis tu tus su
        sus nuestro nuestra nuestros nuestras cuyo""",
    governors={
        "of": "de del",
        "in": "en dentro_de",
        "to": "a al hacia",
        "from": "desde",
        "by": "por",
        "for": "para",
        "with": "con mediante",
        "than": "que",
        "about": "sobre acerca_de",
        "before": "antes_de ante hasta",
        "after": "después_de tras desde_que",
        "under": "bajo debajo_de",
        "against": "contra",
        "between": "entre",
        "como": "como",
        "during": "durante",
        "without": "sin",
        "because": "porque debido_a a_causa_de",
        "según": "según",
        "instead": "en_lugar_de en_vez_de",
        "on": "encima_de",
        "behind": "detrás_de",
        "front": "delante_de frente_a",
        "beside": "al_lado_de junto_a",
        "near": "cerca_de",
        "out": "fuera_de",
    },
    joiners="y e o u versus vs ni , / &",
    copulas="es son era eran fue fueron ser sido está están siendo soy",
    empty="""
            yo me mí nosotros nos tú te ti usted ustedes él ella ellos ellas le les se lo la los las ello
            qué que quién quien quiénes cuál cuáles cual cuándo cuando dónde donde cómo como cuánto cuánta
            cuántos cuántas cuanto por_qué porqué si no sí muy también ya aún así entonces pues es son era
            eran fue fueron ser sido está están estoy estar soy eres somos hay haber ha he han has hemos
            había puede puedo pueden puedes podemos podría podrías podrían poder debe debo deben debes
            debería deberían debería tengo tiene tienen tener hace hacer hago va voy van ir vas quiero
            quiere querer gustaría quisiera aquí allí algún alguna algo alguien realmente sólo_así
            solamente_así mismo misma
        """,
    faint="""
            cosa cosas forma manera modo hacer hecho dar poner saber decir ver bueno buena mejor diferente
            diferentes posible cierto importante persona personas gente tiempo día tipo ejemplo ejemplos
            mucho muchos muchas nuevo nueva encontrar necesito necesita necesitar significa significar
            significado definición explicar describir mostrar lista pregunta respuesta razón parte número
            funciona funcionar pasa sucede ocurre útil sirve
        """,
    light="hacer dar poner decir saber ver necesito",
    marks={
        "negation:not": """no nunca jamás nada nadie ningún ninguno ninguna sin ni tampoco excepto salvo
            en_lugar_de en_vez_de a_excepción_de todo_menos todos_menos exceptuando aparte_de
            evitar evito dejar_de excluido excluidos excluida excluidas""",
        "negation:free": """exento exenta exentos exentas eximido eximidos eximida eximidas exonerado exonerados
            exonerada exención""",
        "quantifier:all": """todo todos toda todas cada siempre cualquier cualquiera entero entera enteros enteras
            todo_menos todos_menos""",
        "quantifier:other": "otro otra otros otras demás",
        "quantifier:through_day": "todo_el_día",
        "quantifier:through_night": "toda_la_noche",
        "quantifier:through_morning": "toda_la_mañana",
        "quantifier:through_afternoon": "toda_la_tarde",
        "quantifier:through_week": "toda_la_semana",
        "quantifier:through_month": "todo_el_mes",
        "quantifier:through_year": "todo_el_año",
        "quantifier:through_summer": "todo_el_verano",
        "quantifier:through_winter": "todo_el_invierno",
        "quantifier:partly": "parcialmente en_parte",
        "quantifier:nearly": "casi",
        "quantifier:little": "poco poca",
        "quantifier:alittle": "un_poco un_poco_de",
        "quantifier:most": "la_mayoría mayoría generalmente",
        "quantifier:many": "varios varias numerosos a_menudo muchos muchas",
        "quantifier:few": "pocos pocas rara_vez raramente",
        "quantifier:some": "algunos algunas a_veces unos_cuantos unas_cuantas",
        "quantifier:only": "solo sólo solamente únicamente único única exclusivamente",
        "quantifier:both": "ambos ambas",
        "quantifier:half": "mitad medio media",
        "quantifier:atleast": "al_menos por_lo_menos",
        "quantifier:atmost": "como_máximo a_lo_sumo hasta_un",
        "quantifier:over": "más_de",
        "quantifier:under": "menos_de",
        "quantifier:exactly": "exactamente precisamente",
        "modality:can": "puede puedo pueden puedes podemos podría podrías podrían capaz",
        "modality:may": "permitido permite quizás quizá",
        "modality:must": """
            debe debo deben debes debemos tengo_que tiene_que tienen_que tienes_que hay_que obligatorio
            obligado necesario
        """,
        "modality:should": "debería deberían debería deberías recomendable conviene",
        "modality:want": "quiere quieren quiero quieres",
        "modality:optional": "opcional voluntario",
        "modality:seem": "parece parecen parecía aparentemente supuestamente presuntamente",
        "modality:try": """intento intenta intentan intentar intentó intentaron intentaba trata_de tratan_de tratar_de
            trató_de""",
        "format:json": "json",
        "format:yaml": "yaml",
        "format:xml": "xml",
        "format:csv": "csv",
        "format:markdown": "markdown",
        "format:table": "en_una_tabla como_tabla tabla",
        "format:list": "en_una_lista como_lista como_una_lista en_forma_de_lista",
        "format:bullets": "viñetas",
        "format:paragraph": "párrafo párrafos frases_completas",
        "format:sentence": "en_una_frase una_sola_frase en_una_oración una_frase",
        "format:steps": "paso_a_paso",
        "format:short": "brevemente en_breve en_resumen",
        "format:long": "en_detalle detalladamente detallada detallado",
        "format:example": "con_un_ejemplo con_ejemplos con_ejemplo un_ejemplo",
        "format:poem": "poema",
        "format:essay": "ensayo",
        "tense:present": "es son está están soy hay tiene",
        "tense:past": """era eran fue fueron había hizo hicieron tuvo estaba estaban dijo vino dio ganó murió
            nació empezó
            escribió inventó descubrió pudo supo puso quiso trajo hubo estuvo anduvo condujo produjo tradujo tenía
            tenían
            hacía hacían decía decían podía podían debía debían quería querían vivía vivían existía existían sabía venía
            salía salían habían iba iban había""",
        "tense:future": "será serán habrá hará harán va van voy tendrá podrá podrán vendrá irá ganará",
        "condition:because": "porque ya_que puesto_que",
        "condition:assoon": "en_cuanto tan_pronto_como",
        "condition:aslong": "siempre_que mientras_que",
        "condition:sothat": "para_que",
        "condition:provided": "con_tal_de_que siempre_y_cuando",
        "condition:case": "por_si",
        "condition:sincewhen": "desde_que",
        "condition:if": "si en_caso_de",
        "condition:unless": "salvo_si excepto_si a_menos_que salvo_que a_no_ser_que",
        "condition:evenif": "aunque a_pesar_de incluso_si",
        "time:before": "antes antes_de",
        "time:after": "después después_de luego tras",
        "time:during": "durante mientras",
        "time:until": "hasta",
        "time:since": "desde",
        "time:yesterday": "ayer",
        "time:today": "hoy",
        "time:tomorrow": "mañana",
        "time:now": "ahora actualmente",
        "time:ago": "hace_un",
        "time:next": "próximo próxima próximos próximas siguiente",
        "time:last": "último última últimos últimas pasado pasada anterior",
        "time:again": "otra_vez de_nuevo",
        "time:already": "ya",
        "time:passing": "temporalmente provisionalmente",
        "time:yet": "todavía aún",
        "degree:er": "más menos mejor peor mejores peores mayor menor",
        "particle:even": "incluso hasta_los hasta_las",
        "particle:ex": "ex",
        "particle:deputy": "vice adjunto adjunta",
        "particle:too": "demasiado demasiada demasiados demasiadas",
        "particle:enough": "bastante suficiente suficientemente",
        "person:i": "yo me mí mi mis",
        "person:we": "nosotros nosotras nos nuestro nuestra nuestros nuestras",
        "person:you": "tú te ti tu tus usted ustedes os vosotros vosotras vuestro vuestra vuestros vuestras",
        "person:to_one": "le",
        "person:to_many": "les",
        "person:he": "él",
        "person:they": "ellos",
        "person:theirs": "su sus",
        "person:she": "ella",
        "person:they_f": "ellas",
    },
    opposed="""
            demasiado demasiada demasiados demasiadas exceso | demasiado_poco demasiada_poca muy_poco muy_poca muy_pocos
            muy_pocas escasez;
            restante restantes | gastado gastados usado usados disfrutado disfrutados transcurrido;
            posible permitido | imposible prohibido;
            aquí acá | allí allá ahí; cerca cerca_de | lejos lejos_de; al_lado_de | enfrente_de; gratis
            gratuito | pagando;
            antes antes_de | después después_de; y e | o u; más | menos; abrir abierto abierta | cerrar
            cerrado cerrada; máximo máxima | mínimo mínima; primer primero primera | último última; importar
            importación | exportar exportación; activar encender habilitar permitir prender | desactivar
            apagar deshabilitar prohibir bloquear; subir cargar | bajar descargar; aumentar incrementar
            crecer | disminuir reducir bajar; comprar compra | vender venta; empezar comenzar iniciar inicio
            | terminar acabar parar fin finalizar; agregar añadir insertar | eliminar quitar borrar;
            instalar | desinstalar; conectar enchufar | desconectar desenchufar; cifrar encriptar |
            descifrar desencriptar; comprimir | descomprimir extraer; mostrar | ocultar esconder; aceptar
            aprobar | rechazar rehusar negar; prestar | pedir_prestado; enviar mandar dar | recibir tomar;
            empujar | tirar; izquierda izquierdo | derecha derecho; arriba | abajo; encima | debajo; dentro
            interior interno | fuera exterior externo; delante adelante | detrás atrás; alto alta | bajo
            baja; grande | pequeño pequeña; largo larga | corto corta; ancho | estrecho; grueso | delgado
            fino; rápido rápida rápidamente | lento lenta lentamente; bueno buena mejor bien | malo mala
            peor mal; ventaja ventajas | desventaja desventajas inconveniente; caliente calor | frío fría;
            viejo vieja antiguo antigua | nuevo nueva joven; temprano | tarde; fácil sencillo | difícil
            complicado; barato barata económico | caro cara; claro | oscuro; ligero | pesado; fuerte |
            débil; seguro segura | peligroso peligrosa inseguro; legal | ilegal; verdadero cierto correcto |
            falso incorrecto; positivo positiva | negativo negativa; igual mismo | diferente distinto;
            público pública | privado privada; gratis gratuito | pago; lleno | vacío; mojado húmedo | seco;
            vivo viva | muerto muerta; rico rica | pobre; feliz | triste infeliz; amar | odiar; amigo amigos
            | enemigo enemigos; hombre hombres padre hijo hermano niño rey esposo él marido | mujer mujeres
            madre hija hermana niña reina esposa ella; ganar victoria | perder derrota; éxito aprobar |
            fracaso fallar suspender; atacar ataque | defender defensa; siempre | nunca jamás; día | noche;
            hoy | ayer mañana; ayer | mañana; sí | no; entrada entrar | salida salir; leer | escribir;
            cliente | servidor; origen | destino; padres | hijos; pregunta | respuesta; ascendente |
            descendente; horizontal | vertical; par | impar; llegada llegar | partida salida salir; crédito
            | débito; ganancia beneficio | pérdida; ingreso ingresos | gasto gastos; empleador | empleado;
            profesor maestro | alumno estudiante; médico | paciente; propietario | inquilino; contratar |
            despedir; casar casarse | divorciar divorciarse; ahorrar | gastar; crear construir | destruir
            demoler; congelar | descongelar; sumar | restar; multiplicar | dividir; sólido | líquido; ácido
            | base; verano | invierno; norte | sur; este oriente | oeste occidente; estático | dinámico;
            local | remoto; manual manualmente | automático automáticamente; en_línea | sin_conexión;
            soltero | casado; singular | plural; activo | pasivo inactivo; temporal | permanente; ruidoso |
            silencioso; natural | artificial; culpable | inocente; oferta | demanda; causa | efecto;
            nacimiento nacer | muerte morir; depositar | retirar; remitente | destinatario; vendedor |
            comprador; crudo | cocido; dulce | salado amargo; duro | blando; limpio | sucio; despertar |
            dormir; recordar | olvidar; enseñar | aprender; con | sin; bruto | neto; ir | venir volver;
            adelgazar | engordar; desde | hasta; inhalar | exhalar
        """,
    same="""
            coche carro auto automóvil; teléfono móvil celular smartphone; foto imagen fotografía; película
            film; tele televisión televisor; trabajo empleo; empresa compañía; arreglar reparar; empezar
            comenzar iniciar; terminar acabar finalizar; borrar eliminar quitar suprimir; costo coste precio
            costar cuesta; dinero; error fallo; problema inconveniente; médico doctor; abogado; niño chico;
            vacaciones; viaje; apartamento piso departamento; ascensor elevador; basura; correo_electrónico
            email e_mail correo; página_web sitio_web web sitio; wifi wi_fi; ordenador computadora
            computador pc; aplicación app; contraseña clave; configurar; cambiar modificar; construir
            edificar; obtener conseguir recibir; elegir escoger seleccionar; crear hacer_un; usar utilizar
            emplear; rápido veloz; difícil complicado; fácil sencillo simple; grande enorme; famoso
            conocido; bonito lindo hermoso; enfermo; enfermedad; medicina medicamento; examen prueba;
            universidad facultad; estudiante alumno; profesor maestro docente; ciudad; país; eeuu
            estados_unidos usa; ue unión_europea; ia inteligencia_artificial; método procedimiento; aprender
            estudiar; aumentar incrementar; reducir disminuir bajar; mejorar optimizar; permitir autorizar;
            prohibir; intentar tratar; contestar responder; tienda; adelgazar bajar_de_peso perder_peso;
            cocinar preparar; bicicleta bici; nevera frigorífico refrigerador; sofá; calle; salario sueldo;
            empleado trabajador; jefe; regalo; calcular; convertir transformar; copiar duplicar; archivo
            fichero documento; carpeta directorio; traducir traducción; resumir resumen; comparar
            comparación; recomendar sugerir; diferencia diferencias; significado significar significa
            definición; ventaja; desventaja inconveniente; resultado; objetivo meta; ocurrir suceder pasar;
            hablar conversar; mostrar enseñar_en; agregar añadir; restablecer resetear reiniciar; funcionar
            servir; vivir habitar; miedo temor; gracioso divertido; patata papa; jugo zumo; enojado
            enfadado; conducir manejar; coger tomar agarrar; ratón mouse
        """,
    siblings={
        "speech": """
            pedir/pido/pide/pides/solicitar/solicito ofrecer/ofrezco/ofrece/ofreces aceptar/acepto/acepta
            rechazar/rechazo/rechaza/declinar/declino
        """,
        "channel": "en_línea en_persona por_teléfono por_escrito presencial",
        "colour": """
            rojo/roja azul verde amarillo/amarilla naranja morado/violeta rosa/rosado marrón/café_color
            negro/negra blanco/blanca gris dorado plata
        """,
        "weekday": "lunes martes miércoles jueves viernes sábado domingo",
        "month": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "season": "primavera verano otoño invierno",
        "daytime": "mediodía tarde noche medianoche madrugada",
        "relative": """
            madre/mamá padre/papá hermano hermana hijo hija tío tía abuela abuelo primo prima sobrino
            sobrina esposo/marido esposa
        """,
        "period": """
            segundo/segundos minuto/minutos hora/horas día/días semana/semanas mes/meses trimestre año/años
            década siglo
        """,
        "meal": "desayuno almuerzo/comida cena postre merienda",
        "animal": """
            perro/perros gato/gatos caballo/caballos vaca/vacas cerdo/cerdos oveja cabra gallina/pollo pato
            conejo/conejos ratón/ratones rata/ratas león/leones tigre elefante oso/osos lobo/lobos zorro
            serpiente/serpientes pájaro/pájaros/ave pez/peces/pescado tiburón ballena abeja/abejas
            araña/arañas rana mono pingüino águila mariposa mosquito hámster
        """,
        "food": """
            manzana/manzanas plátano/plátanos/banana pera/peras naranja/naranjas limón/limones uva/uvas
            fresa/fresas tomate/tomates patata/patatas/papa/papas zanahoria cebolla/cebollas ajo arroz pasta
            pan queso mantequilla leche huevo/huevos carne cerdo salmón azúcar sal pimienta miel chocolate
            café té cerveza vino agua jugo/zumo pizza sopa ensalada pastel/tarta
        """,
        "body": """
            cabeza cara ojo/ojos oreja/oído/oídos nariz boca diente/dientes cuello hombro brazo/brazos
            mano/manos dedo/dedos pecho espalda estómago/barriga pierna/piernas rodilla/rodillas pie/pies
            tobillo muñeca codo piel pelo/cabello corazón hígado riñón/riñones pulmón/pulmones cerebro
            hueso/huesos sangre
        """,
        "material": """
            oro plata bronce cobre hierro acero aluminio plomo zinc estaño níquel titanio mercurio madera
            vidrio plástico papel piedra cuero algodón lana seda
        """,
        "element": """
            hidrógeno helio oxígeno nitrógeno carbono sodio potasio calcio magnesio cloro azufre fósforo
            uranio litio metano etanol/alcohol amoníaco
        """,
        "planet": "venus tierra marte júpiter saturno urano neptuno plutón luna sol",
        "job": """
            médico/doctor enfermero/enfermera profesor/maestro abogado ingeniero piloto cocinero policía
            bombero agricultor fontanero/plomero electricista dentista contador arquitecto actor cantante
            escritor/autor pintor presidente canciller rey reina ministro alcalde juez
        """,
        "sport": "fútbol baloncesto béisbol tenis golf hockey rugby voleibol natación ciclismo boxeo ajedrez esquí",
        "instrument": "guitarra piano violín batería flauta trompeta saxofón violonchelo arpa",
        "vehicle": """
            coche/coches/carro autobús/bus tren/trenes avión/aviones bicicleta/bici barco/barcos camión moto
            taxi tranvía helicóptero ferry
        """,
        "direction": "norte sur este oeste",
        "subject": """
            matemáticas física química biología historia geografía economía filosofía psicología medicina
            derecho informática
        """,
        "illness": """gripe resfriado cáncer diabetes asma malaria sarampión fiebre tos depresión ansiedad
            alergia migraña""",
        "shape": "círculo cuadrado triángulo rectángulo cubo esfera cilindro cono pirámide",
        "quantity": """
            área/superficie volumen perímetro radio diámetro altura ancho longitud profundidad peso/masa
            densidad velocidad temperatura presión edad población precio
        """,
        "statistic": "suma media/promedio mediana varianza producto",
        "document": """
            factura recibo contrato pasaporte visado/visa licencia certificado billete/boleto garantía
            usuario dirección cuenta pedido
        """,
        "device": """
            portátil teléfono/móvil tableta impresora escáner monitor teclado router cámara televisor
            micrófono altavoz auriculares nevera horno lavavajillas lavadora
        """,
        "code": """
            cadena entero flotante lista/listas arreglo tupla diccionario conjunto clase función variable
            bucle archivo carpeta tabla columna fila índice rama commit
        """,
    },
    irregular="""
            ser es son era fue fueron sido; estar está están estaba; haber ha han había; hacer hace hago
            hizo hecho hacen; poder puede puedo pueden; decir dice digo dijo dicho; ver veo ve visto vio; ir
            va voy van fue_a; venir viene vino vengo; tener tiene tengo tuvo; poner pone pongo puso puesto;
            saber sabe sé supo; dar da doy dio; querer quiere quiero; escribir escribo escribe escrito
            escribió; abrir abro abre abierto; romper roto rompe; morir muere murió muerto_de; volver vuelve
            vuelvo vuelto; cerrar cierra cierro; empezar empieza empiezo; comenzar comienza comienzo; perder
            pierde pierdo; pensar piensa pienso; dormir duerme duermo; morder muerde mordió muerden; jugar
            juega juego; pedir pide pido; elegir elige elijo; conocer conozco conoce; conseguir consigo
            consigue; conducir conduzco conduce; traducir traduzco traduce; construir construyo construye;
            leer leo lee leyó leído; oír oye oigo; caer cae caigo; traer trae traigo; contar cuenta cuento;
            encontrar encuentra encuentro; mostrar muestra muestro; costar cuesta; probar prueba pruebo;
            comer come como_yo comen comió; vender vende vendo; beber bebe bebo; usar uso usa usan; crear
            creo crea; pagar pago paga; borrar borro borra; cargar cargo carga; luz luces; vez veces; pez
            peces; lápiz lápices
        """,
    negated="in im ir i des de anti no mal",
    units={
        "km": "km kilómetro kilómetros",
        "m": "metro metros",
        "cm": "cm centímetro centímetros",
        "mm": "mm milímetros",
        "mile": "milla millas",
        "inch": "pulgada pulgadas",
        "ft": "pie_unidad",
        "kg": "kg kilogramo kilogramos kilo kilos",
        "g": "gramo gramos",
        "mg": "mg miligramos",
        "lb": "libra libras",
        "tonne": "tonelada toneladas",
        "l": "litro litros",
        "ml": "ml mililitros",
        "celsius": "celsius",
        "fahrenheit": "fahrenheit",
        "%": "por_ciento porcentaje",
        "points": "punto_porcentual puntos_porcentuales",
        "permille": "por_mil",
        "usd": "dólar dólares usd",
        "eur": "euro euros eur",
        "mxn": "peso pesos",
        "gbp": "esterlinas",
        "jpy": "yen yenes",
        "cent": "centavo centavos céntimo céntimos",
        "ms": "ms milisegundos",
        "s": "segundos seg",
        "min": "minuto minutos min",
        "h": "hora horas",
        "dayunit": "días",
        "week": "semana semanas",
        "month": "mes meses",
        "year": "año años",
        "kb": "kb kilobytes",
        "mb": "mb megabytes",
        "gb": "gb gigabytes",
        "w": "vatio vatios",
        "v": "voltio voltios",
        "hectare": "hectárea hectáreas",
        "degree": "grado grados",
        "calorie": "calorías kcal",
    },
    numbers={
        **{
            word: value
            for value, word in enumerate(
                [
                    "cero",
                    "x",
                    "dos",
                    "tres",
                    "cuatro",
                    "cinco",
                    "seis",
                    "siete",
                    "ocho",
                    "nueve",
                    "diez",
                    "once",
                    "doce",
                    "trece",
                    "catorce",
                    "quince",
                    "dieciséis",
                    "diecisiete",
                    "dieciocho",
                    "diecinueve",
                    "veinte",
                    "veintiuno",
                    "veintidós",
                    "veintitrés",
                    "veinticuatro",
                    "veinticinco",
                    "veintiséis",
                    "veintisiete",
                    "veintiocho",
                    "veintinueve",
                ]
            )
            if word != "x"
        },
        **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
        "doscientos": 200,
        "doscientas": 200,
        "trescientos": 300,
        "trescientas": 300,
        "cuatrocientos": 400,
        "quinientos": 500,
        "seiscientos": 600,
        "setecientos": 700,
        "ochocientos": 800,
        "novecientos": 900,
        "primer": 1,
        "primero": 1,
        "primera": 1,
        "segunda": 2,
        "tercer": 3,
        "tercero": 3,
        "tercera": 3,
        "cuarto": 4,
        "cuarta": 4,
        "quinto": 5,
        "quinta": 5,
        "sexto": 6,
        "séptimo": 7,
        "octavo": 8,
        "noveno": 9,
        "décimo": 10,
        "docena": 12,
        "doble": 2,
        "triple": 3,
    },
    multipliers={"cien": 100, "ciento": 100, "mil": 1000, "millón": 10**6, "millones": 10**6},
    framing=(
        r"si es una pregunta (?:muy )?(?:tonta|estúpida|básica|obvia|simple)(?: ,)?(?: pero)?",
        r"me da (?:un poco de )?vergüenza preguntar(?:lo)?(?: ,)?(?: pero)?",
        r"siempre se me olvida(?= [!.,:;]+ | $)",
        (
            r"(?:urgente|socorro|ayuda|auxilio|es (?:muy )?urgente|me corre (?:mucha )?prisa|"
            r"tengo (?:mucha )?prisa)(?= [!.,:;]+ | $)"
        ),
        (
            r"(?:por favor|porfa|hola|buenas|buenos días|buenas tardes|buenas noches|gracias|oye|oiga|bueno|"
            r"entonces|pues|ok|"
            r"disculpe|disculpa|perdón|perdona|una pregunta|pregunta|tengo una (?:pregunta|duda)(?: sobre)?|"
            r"estimados?|a todos|amigos)"
        ),
        (
            rf"(?:me |nos )?(?:puedes|puede|podrías|podría|podéis|pueden|podrían|quieres|quisieras)(?: "
            rf"usted| ustedes| alguien)?"
            rf"(?: por favor)?(?: {_VERB})?(?: por favor)?(?: sobre| a(?: entender| saber| comprender)?)?"
        ),
        r"alguien (?:me |nos )?(?:puede|podría|sabe)(?: (?:decir|explicar|mostrar|ayudar)(?:me|nos)?)?",
        (
            r"(?:dime|dígame|díganme|explícame|explíqueme|explica|explique|muéstrame|muéstreme|indícame|"
            r"indíqueme|describe|describa|"
            r"ayúdame(?: a)?|ayúdeme(?: a)?|cuéntame|cuénteme|recuérdame|enséñame|dame|deme)(?: por favor)?"
        ),
        (
            r"(?:me gustaría|quisiera|quiero|querría|deseo|necesito|nos gustaría|queremos|desearía|yo quiero) "
            r"(?:saber|conocer|entender|aprender|preguntar|preguntarle|preguntarte|comprender)"
        ),
        (
            r"(?:me pregunto|me preguntaba|no sé(?= (?:si|qué|cómo|cuándo|dónde|por|quién|cuál|cuáles|"
            r"cuánto|cuánta|cuántos|cuántas) )|no entiendo|estoy tratando de (?:saber|entender|averiguar)|"
            r"tengo curiosidad por saber|"
            r"necesito (?:ayuda|consejo|información)(?: (?:para|con|sobre))?|quería saber|quería preguntar)"
        ),
        r"(?:sabes|sabe usted|saben|sabéis|sabe alguien|sabe|tienes idea de|tiene idea de|alguna idea de)",
        r"(?:puedo|podría) (?:preguntar|preguntarte|preguntarle|saber)",
        r"(?:es posible|sería posible) (?:que me (?:digas|diga|expliques|explique)|saber)",
    ),
    closing=(
        (
            r"(?:por favor|porfa|porfavor|gracias|muchas gracias|de antemano|exactamente|para mí|si es "
            r"posible|un saludo|saludos|"
            r"sabes|me puedes ayudar)"
        ),
    ),
    kinds=(
        (r"(?:nombra|cita|enumera|indica)(?= (?:el|la|los|las) (?:\S+ ){1,3}(?:de|del) )", "what"),
        (
            (
                rf"(?:cuál|cuáles|qué) (?:es|son|sería|serían)(?: (?:la|el|las|los|una|un))? "
                rf"?{_GOOD}{_WAY}(?: {_GOOD})?"
                r"(?: ?(?:de|para|en que))?"
            ),
            "how",
        ),
        (rf"(?:hay|existe|existen) (?:alguna?|una?|algunas) {_GOOD}{_WAY}(?: {_GOOD})?(?: ?(?:de|para))?", "how"),
        (
            (
                r"(?:cómo|como|de qué (?:manera|forma|modo)) (?:puedo|se puede|se pueden|se debe|puede|podemos|"
                r"puedes|pueden|podría|podrían|debo|debe|debería|"
                r"deberíamos|tengo que|hay que|hago para|se hace para|hacer para|lograr|logro|consigo)(?: "
                r"(?:uno|yo|alguien|usted))?"
                r"(?: hacer para)?"
            ),
            "how",
        ),
        (rf"(?:cómo|de qué (?:manera|forma|modo))(?: {_ANYONE})?", "how"),
        (r"como(?: se)?", "how"),
        (r"qué (?:debo|puedo|tengo que|hay que|debería) hacer para", "how"),
        (
            (
                r"(?:por qué|porqué|por cuál razón|por qué razón|por qué motivo|a qué se debe(?: que)?|"
                r"cuál es (?:la razón|la causa|el motivo)(?: de| del| por (?:la|el) (?:que|cual))?|cuáles "
                r"son las (?:razones|causas)"
                r"(?: de| del)?|qué causa)"
            ),
            "why",
        ),
        (r"(?:cuánto tiempo|cuántas horas_|cuánto dura|cuánto tarda)", "duration"),
        (r"(?:con qué frecuencia|cada cuánto|cuántas veces)", "frequency"),
        (r"(?:cuánto|cuánta|cuántos|cuántas|cuanto|cuantos|cuantas|cuál es el número de|qué cantidad de)", "count"),
        (r"(?:cuál|qué) es el(?= (?:precio|costo|coste) )", "count"),
        (r"(?:cuándo|cuando|a qué hora|en qué (?:fecha|día|año|momento|mes)|qué día)", "when"),
        (r"(?:de dónde)", "whence"),
        (r"(?:a dónde|adónde)", "whither"),
        (r"(?:dónde|donde|en qué (?:lugar|sitio))", "where"),
        (r"(?:quién|quien|quiénes|qué persona)", "who"),
        (r"(?:es|sería) posible", "polar can"),
        (r"(?:puedo|se puede|podemos|puede uno|podría)", "polar can"),
        (r"(?:debo|tengo que|hay que|es necesario|debemos)", "polar must"),
        (r"(?:debería|deberíamos|conviene)", "polar should"),
        (r"(?:qué|que|cuál|cual|cuáles)", "what"),
    ),
    kind_words={
        "how": "cómo",
        "why": "por_qué",
        "when": "cuándo",
        "where": "dónde",
        "who": "quién quiénes",
        "count": "cuánto cuánta cuántos cuántas",
        "what": "qué cuál cuáles",
    },
    yes_no="""es son está están hay puede puedo pueden debe debo debería ha han fue era existe tiene funciona
            sirve será""",
    contractions={
        "porfavor": "por favor",
        "xq": "por qué",
        "pq": "por qué",
        "xfa": "por favor",
        "q": "que",
        "k": "que",
        "porque": "porque",
    },
    comma_decimal=True,
    verbs_move=True,
    link="y",
    objects="a_quién a_quiénes a_quien a_quienes al_que a_la_que",
    gradable="pequeño grande viejo joven largo corto grueso delgado ancho estrecho alto bajo profundo caliente "
    "frío pesado ligero fuerte débil claro oscuro blando duro inverso falso virtual eléctrico crudo "
    "congelado salvaje cocido asado",
    anyone="uno alguien se",
    agreement={
        "i": "puedo debo tengo quiero he estoy soy voy hago podré",
        "you": "puedes debes tienes quieres has estás eres vas haces podéis debéis tenéis habéis",
        "we": "podemos debemos tenemos queremos hemos estamos somos vamos hacemos",
        "others": "puede debe tiene quiere ha está es va hace pueden deben tienen quieren han están son van hacen",
    },
    families="""
        hombre/hombres hombro/hombros; deber deberes; celo celos; bien bienes; corte/cortes corto/cortos;
        parte/partes parto/partos; monte/montes monto/montos; polvo polvos; resto restos;
        cuento/cuentos cuenta/cuentas; banco/bancos banca; puerto/puertos puerta/puertas; cargo/cargos carga/cargas;
        suela/suelas suelo/suelos
    """,
    agent="by",
    haves="ha han he has hemos",
    participle=r"\w{2,}(?:ado|ido|ados|idos|ada|ida|adas|idas|ído)|"
    r"(?:hech|cubiert|descubiert|impres|resuelt|dich|vist|escrit|abiert|puest|muert|rot|vuelt)[oa]s?",
    past=r"\w{2,}(?:ó|aron|ieron|jeron|eron|aban|ábamos|íamos|ían|ía)|(?!sílaba)\w{2,}aba",
    future=r"\w{2,}(?:rá|rán|ré|rás|remos)",
)
