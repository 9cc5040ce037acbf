# Español. Las claves y los valores son los de ../en/core.ftl.

## Errores
error-unknown-genre = { $given ->
    [none] ¿Qué género? Elige uno: { $choices }.
   *[other] { $nearest ->
        [none] No conozco el género «{ $given }». Elige uno: { $choices }.
       *[other] No conozco el género «{ $given }». ¿Querías decir { $nearest }? Elige uno: { $choices }.
    }
}
error-prompt-too-long = Ese comienzo tiene { $length } caracteres; caben { $limit }. Acórtalo, por favor.
error-title-too-long = Ese título tiene { $length } caracteres; caben { $limit }. Acórtalo, por favor.
error-line-too-long = Esa línea tiene { $length } caracteres; acepto { $limit }. Acórtala, por favor.
error-nothing-to-read = Ahí no hay nada que leer. Escribe unas palabras, por favor.
error-not-a-number = { $given ->
    [none] ¿Qué historia? Da su número, por ejemplo 12.
   *[other] «{ $given }» no es el número de una historia. Da un número, por ejemplo 12.
}
error-not-a-choice = { $given ->
    [none] Falta elegir ({ $what }): { $choices }.
   *[other] No conozco «{ $given }» ({ $what }). Elige uno: { $choices }.
}
error-blocked-words = Ahí hay una palabra que aquí no es bienvenida. Dilo de otra manera, por favor.
error-bad-pattern = No puedo usar el patrón { $given }. No debe coincidir con todo, ni mirar hacia delante o hacia atrás.
error-word-list-too-long = En la lista caben { $entries } entradas de hasta { $length } caracteres cada una.
error-story-not-found = Aquí no hay ninguna historia n.º { $id }.
error-story-hidden = La historia n.º { $id } está oculta hasta que la mire un moderador.
error-own-report = Esa historia es tuya. Puedes borrarla.
error-already-reported = Ya denunciaste la historia n.º { $id }. Gracias; los moderadores lo saben.
error-not-moderator = Eso solo lo pueden hacer los moderadores.
error-blocked-member = Los moderadores no me dejan hacer eso por ti.
error-no-stories = Aquí aún no hay historias. Empieza una con /story.
error-own-story = No puedes votar tu propia historia. Otros lo harán.
error-not-yours = Eso solo lo puede hacer quien pidió la historia n.º { $id }.
error-not-finished = La historia n.º { $id } no está terminada, así que eso no se puede hacer.
error-already-ended = La historia n.º { $id } ya no se está escribiendo.
error-nothing-to-cancel = No tienes ninguna historia en espera ni escribiéndose.
error-queue-full = Hay tantas historias en espera que ahora no puedo aceptar otra. Prueba de nuevo dentro de { $minutes ->
    [one] un minuto
   *[other] unos { $minutes } minutos
}.
error-too-many-pending = { $limit ->
    [one] Ya tienes una historia en espera o escribiéndose. Espera a que termine o cancélala.
   *[other] Ya tienes { $limit } historias en espera o escribiéndose. Espera a que termine una o cancela otra.
}
error-quota-used = Has pedido { $limit ->
    [one] una historia
   *[other] { $limit } historias
} en { $hours ->
    [one] la última hora
   *[other] las últimas { $hours } horas
}, y no puedo escribirte más. Vuelve más tarde, por favor.
error-cooling-down = Espera { $seconds ->
    [one] un segundo
   *[other] { $seconds } segundos
} antes de tu próxima historia.
error-models-turn = Estoy escribiendo la línea siguiente. Espérala y luego sigue.
error-others-first = Tú escribiste la última línea. Deja que sigan los demás; en { $minutes ->
    [one] un minuto
   *[other] { $minutes } minutos
} puedes volver a hacerlo.
error-too-many-rounds = Aquí ya hay { $limit } historias por turnos abiertas. Sigue con una de ellas o ponle fin.
error-lines-used = Has añadido { $limit } líneas en { $hours ->
    [one] la última hora
   *[other] las últimas { $hours } horas
}, tantas como puedo responder. Vuelve más tarde, por favor.
error-only-in-servers = Eso solo funciona en un servidor.
error-bot-needs = Necesito el permiso { $permissions } en #{ $channel }. Pídeselo a quien gestione este servidor.
list-and = { $before } y { $last }
error-no-right-there = Tú mismo no puedes escribir en #{ $channel }.
error-not-posted = No he podido publicarlo en #{ $channel }. Prueba de nuevo, por favor.
error-wrong-code = Ese código es incorrecto, ya se usó o tiene más de diez minutos. /link te da otro.
error-own-code = Ese es tu propio código. Escríbelo en tu otra plataforma.
error-platform-taken = Los dos tenéis ya una cuenta en { $platform ->
    [discord] Discord
    [telegram] Telegram
   *[other] { $platform }
}, y una persona puede vincular una en cada plataforma. /unlink las separa.
error-not-linked = Esta cuenta no está vinculada con ninguna otra.
error-too-many-tries = Demasiados códigos incorrectos. Prueba de nuevo dentro de { $minutes ->
    [one] un minuto
   *[other] { $minutes } minutos
}.
error-changed-meanwhile = Alguien más lo cambió mientras tú lo hacías, y vale su cambio. Míralo y vuelve a hacer el tuyo.
error-store-busy = Ahora mismo no doy abasto para anotar eso, y no ha cambiado nada. Prueba de nuevo, por favor.
error-stopping = Me estoy apagando. Prueba de nuevo dentro de un minuto.
error-unexpected = Algo ha fallado por mi parte, y no se ha perdido nada. Prueba de nuevo, por favor.
error-out-of-bounds = «{ $given }» no vale. Da un número entero de { $least } a { $most }.
error-not-manager = Eso solo lo puede hacer quien gestiona esta comunidad.
error-not-in-this-channel = En este canal no escribo historias.
error-adults-only = Aquí solo escribo historias en canales con restricción de edad.
error-unknown-command = No conozco la orden { $command }. /help las muestra todas.

## Por qué falló una historia
failure-error = No se ha podido escribir la historia. Prueba otra vez con /retry { $id }.
failure-empty = Con ese comienzo no se me ha ocurrido nada. Prueba /retry { $id } u otro comienzo.
failure-gave-up = Escribir esta historia ha fallado una y otra vez, y lo he dejado. Prueba otro comienzo.
failure-lost = He perdido de vista esta historia; se terminará cuando me reinicie.

## La vida de una historia
story-queued = { $position ->
    [one] Eres el siguiente.
   *[other] Tienes el puesto { $position } en la cola.
}
story-queued-wait = { $position ->
    [one] Eres el siguiente
   *[other] Tienes el puesto { $position } en la cola
}, faltan unos { $wait }.
story-waiting = Esperando a quien escriba.
story-thinking = Pensando …
story-cancelled = Cancelada.
story-cancelled-id = La historia n.º { $id } está cancelada.
story-hidden = Varios miembros denunciaron esta historia. Está oculta hasta que la mire un moderador.
story-deleted = Esta historia fue borrada.
story-byline = n.º { $id } · { $genre } de { $author }
story-written-by = escrita por { $model }, semilla { $seed }
story-continues = sigue a la n.º { $id }
story-version-of = otra versión de la n.º { $id }
story-versions = Versiones:
story-author-forgotten = alguien que se fue
wait-seconds = { $n ->
    [one] un segundo
   *[other] { $n } segundos
}
wait-minutes = { $n ->
    [one] un minuto
   *[other] { $n } minutos
}

## Listas
top-title = Las mejores historias
top-title-genre = Las mejores historias: { $genre }
top-everywhere = de todas partes
top-every-genre = todos los géneros
top-nothing = Aquí no hay nada. Elige otro género u otro tiempo.
period-all = de siempre
period-day = día
period-week = semana
period-month = mes
profile-stories = { $n ->
    [one] Una historia
   *[other] { $n } historias
}
profile-votes = Votos recibidos: 👍 { $ups } 👎 { $downs }
profile-genre = Su fuerte: { $genre }
profile-best = Su mejor historia: { $title } · n.º { $id }
stats-title = Votos e historias
stats-about = { $stories ->
    [one] Una historia
   *[other] { $stories } historias
}, { $votes ->
    [one] un voto
   *[other] { $votes } votos
}.
stats-by-genre = Votos por género
stats-by-day = Por día, en los últimos 30
stats-up = a favor
stats-down = en contra
stats-stories = historias
stats-votes = votos
mine-title = Tus historias
queue-line = { $waiting ->
    [0] Nadie espera
    [one] Una historia espera
   *[other] { $waiting } historias esperan
}, { $writing ->
    [0] no se escribe ninguna
    [one] se escribe una
   *[other] se escriben { $writing }
}.
queue-wait = Una historia nueva empezaría dentro de unos { $wait }.
queue-mine-waiting = Tu historia n.º { $id } tiene el puesto { $position } en la cola.
queue-mine-writing = Tu historia n.º { $id } se está escribiendo.
genres-title = Géneros y maneras de empezar

## Votar
vote-counted-up = 👍 para la historia n.º { $id }. Tiene { $ups } a favor y { $downs } en contra.
vote-counted-down = 👎 para la historia n.º { $id }. Tiene { $ups } a favor y { $downs } en contra.
vote-cleared = Has retirado tu voto a la historia n.º { $id }. Tiene { $ups } a favor y { $downs } en contra.
vote-held-young = Se guarda, pero no cuenta: tu cuenta es demasiado nueva para eso aquí. Vota otra vez más adelante.
vote-held-burst = Se guarda, pero de momento no cuenta: muchos recién llegados votan igual. Un moderador puede contarlo.

## One person on several platforms
link-account = { $name } en { $platform ->
    [discord] Discord
    [telegram] Telegram
   *[other] { $platform }
}
link-with = Aquí eres una sola persona: { $accounts }.
link-code = Tu código es { $code }. Escríbeme /link { $code } en tu otra plataforma antes de diez minutos, y las dos cuentas serán aquí una sola persona: un voto por historia, un perfil, un número de historias al día. No des el código a nadie más: es la llave de lo que tienes aquí.
link-ask = ¿Eres { $account }? Si alguien te ha enviado este código, no sigas: desde cualquiera de las dos cuentas se podrá exportar, borrar y olvidar todo lo de ambas. Si eres tú: las dos serán una sola persona, con un voto por historia (de dos, cuenta el último), un perfil y un número de historias al día.
link-done = Hecho. Tú y { $account } sois aquí una sola persona. /unlink os separa.
link-undone = Hecho. Esta cuenta vuelve a estar sola, con lo que se hizo en esta plataforma.

## Sobre mí
about-text =
    Escribo historias de cine breves del género que elijas; vosotros votáis y suben las mejores.
about-model = Modelo: { $model } (revisión { $revision }), { $parameters } millones de parámetros, en { $device }. Licencia: { $licence }.
about-adapter = Adaptador de géneros: { $hash }.
about-no-model = Aún no hay ningún modelo cargado; las historias esperan hasta que lo haya.
privacy-text =
    Guardo tu nombre y tu identificador en esta plataforma, las historias que pides con las palabras que me das, tus votos, tus denuncias, lo que haces al gestionar una comunidad y qué cuentas vinculaste. Eso es todo, y no va a ninguna otra parte.
    /export te lo da todo en un archivo. /forget lo elimina, de todas las cuentas que vinculaste: tus historias pierden sus palabras, tus votos dejan de contar y lo que hiciste pierde tu nombre. Donde estés bloqueado, tu identificador sigue en la lista. Los mensajes que ya están en un chat se quedan allí.
export-done = Aquí está todo lo que guardo sobre ti.
forget-ask = Esto elimina para siempre las palabras de tus historias y tus votos, también los de cuentas vinculadas; con /unlink antes se conservarían. ¿Seguro?
forget-done = Hecho. { $stories ->
    [0] No había historias
    [one] Una historia perdió sus palabras
   *[other] { $stories } historias perdieron sus palabras
} y { $votes ->
    [0] no había votos
    [one] se ha ido un voto
   *[other] se han ido { $votes } votos
}.

## Ayuda
help-title = Lo que sé hacer
help-story = escribir una historia: un género y, si quieres, un «título» y cómo empieza
help-continue = seguir una historia terminada
help-retry = otra versión de una historia; la anterior se queda
help-cancel = detener tu historia, en espera o escribiéndose
help-read = leer una historia
help-random = una historia cualquiera
help-top = las mejores historias, por género y del día, la semana, el mes o de siempre
help-mine = tus historias
help-vote = votar a favor o en contra, o retirar tu voto
help-queue = cómo va la cola
help-genres = los géneros, con comienzos sugeridos
help-about = qué escribe las historias
help-link = ser aquí una sola persona con tu cuenta de otra plataforma
help-unlink = separar esta cuenta de las de otras plataformas
help-privacy = qué guardo sobre ti
help-export = tus datos en un archivo
help-forget = eliminar tus datos
help-help = esta lista

## Qué escribir donde solo hay texto
usage-story = /story GÉNERO ["TÍTULO"] [COMIENZO] [length:long]
usage-continue = /continue N.º [COMIENZO]
usage-retry = /retry N.º
usage-cancel = /cancel [N.º]
usage-read = /read N.º
usage-random = /random [GÉNERO]
usage-top = /top [GÉNERO] [day|week|month|all] [everywhere]
usage-mine = /mine
usage-vote = /vote N.º up|down|clear
usage-queue = /queue
usage-genres = /genres
usage-about = /about
usage-link = /link [CODE]
usage-unlink = /unlink
usage-privacy = /privacy
usage-export = /export
usage-forget = /forget
usage-help = /help

## Gestionar una comunidad
language-name = Español
length-short = corta
length-medium = mediana
length-long = larga
settings-title = Ajustes
settings-pick = ¿Qué quieres cambiar?
setting-channels = Canales
setting-genres = Géneros
setting-length = Longitud habitual
setting-longest = Historia más larga
setting-daily_quota = Historias al día
setting-cooldown_s = Pausa entre historias
setting-exempt_roles = Roles exentos
setting-age_restricted_only = Solo adultos
setting-min_account_age_days = Edad de cuenta para votar
setting-burst_protection = Contra ráfagas de votos
setting-report_threshold = Denuncias que ocultan
setting-in_global_top = En la lista de todos
setting-digest = Resumen
setting-digest_channel = Canal del resumen
setting-digest_hour = Hora del resumen
setting-hall_channel = Salón de la fama
setting-hall_votes = Votos para el salón
setting-words = Palabras no bienvenidas
setting-language = Idioma
setting-about-channels = Dónde se pueden pedir historias
setting-about-genres = Qué géneros se pueden pedir
setting-about-length = De las historias sin longitud elegida
setting-about-longest = Las más largas se recortan a esta longitud
setting-about-daily_quota = Cuántas puede pedir un miembro en 24 horas
setting-about-cooldown_s = Segundos entre dos historias de un miembro
setting-about-exempt_roles = Sin vuestro número diario ni vuestra pausa
setting-about-age_restricted_only = Historias solo en canales con restricción de edad
setting-about-min_account_age_days = Días; los votos de cuentas más nuevas se guardan, pero no cuentan
setting-about-burst_protection = Los votos de muchos recién llegados a la vez se guardan, pero no cuentan
setting-about-report_threshold = Denuncias que ocultan una historia hasta que mire un moderador
setting-about-in_global_top = Vuestras mejores se pueden listar y leer en otras comunidades
setting-about-digest = Cada cuánto publico las mejores historias
setting-about-digest_channel = Dónde publico el resumen
setting-about-digest_hour = En punto, UTC; el semanal sale el lunes
setting-about-hall_channel = Dónde publico otra vez una historia que gusta a muchos
setting-about-hall_votes = Votos a favor menos votos en contra que hacen falta
setting-about-words = Una por línea; /colou?r/ es un patrón
setting-about-language = De lo que aquí leen todos
setting-default-channels = en todas partes
setting-default-genres = todos
setting-default-daily_quota = las que el bot permita
setting-default-cooldown_s = ninguna
setting-default-exempt_roles = ninguno
setting-default-min_account_age_days = cualquiera
setting-default-report_threshold = ninguna
setting-default-digest_channel = en ninguna parte
setting-default-hall_channel = en ninguna parte
setting-default-words = las de quien opera el bot
setting-default-language = el de la comunidad
setting-days = { $n ->
    [one] un día
   *[other] { $n } días
}
setting-yes = sí
setting-no = no
setting-oclock = { $hour }:00 UTC
digest-off = ninguno
digest-day = cada día
digest-week = cada semana
digest-title-day = Lo mejor del día
digest-title-week = Lo mejor de la semana
setting-entries = { $n ->
    [one] una vuestra
   *[other] { $n } vuestras
}
audit-title = Quién cambió qué
audit-nothing = Aún no se ha cambiado nada.
audit-setting = { $actor } cambió «{ $setting }» de { $before } a { $after }.
audit-cancel = { $actor } canceló la historia n.º { $id }.
audit-end = { $actor } puso fin a la historia n.º { $id }.
audit-keep = { $actor } conservó la historia n.º { $id }.
audit-delete = { $actor } borró la historia n.º { $id }.
audit-release = { $actor } dejó contar los votos retenidos de la historia n.º { $id }.
audit-block = { $actor } bloqueó a { $member }.
audit-unblock = { $actor } volvió a admitir a { $member }.
help-stats = votos por género y por día, en una imagen
help-member = las historias, los votos y el mejor género de un miembro
help-together = escribir una historia por turnos: tú añades una línea y yo la siguiente
help-moderate = historias denunciadas, votos sin contar y quién está bloqueado; para moderadores
help-settings = qué vale para las historias aquí; para quien gestiona esta comunidad

## Empezar una historia
begin-title = Una historia nueva
begin-ask = ¿Qué tipo de historia será?
begin-genre = Un género
begin-how = Elige una manera de empezar o escribe la tuya:
begin-opening = Un comienzo
begin-give-back = Tus palabras, para que no se pierdan:

## Compartir y borrar
share-ask = ¿Dónde publico la historia n.º { $id }?
share-where = Un canal o un hilo
share-done = La historia n.º { $id } ya está en #{ $channel }.
delete-ask = Esto elimina para siempre las palabras y los votos de la historia n.º { $id }, aquí y dondequiera que se publicara. ¿Seguro?
delete-done = La historia n.º { $id } está borrada.

## Denuncias
report-title = Denunciar una historia
report-reason = ¿Qué tiene de malo? No hace falta decirlo.
report-done = Gracias. Los moderadores mirarán la historia n.º { $id }.
report-done-hidden = Gracias. La historia n.º { $id } está oculta hasta que la mire un moderador.
moderate-title = Historia denunciada { $number } de { $total }
moderate-nothing = Ninguna historia espera a un moderador.
moderate-reports = { $n ->
    [one] una denuncia
   *[other] { $n } denuncias
}
moderate-is-hidden = oculta
moderate-is-shown = aún visible
moderate-jump = al mensaje
blocked-title = Miembros bloqueados
blocked-nobody = Nadie está bloqueado.
blocked-about = Pueden leer, pero no pedir historias, votar ni denunciar.
blocked-add = Bloquear a un miembro
blocked-remove = Volver a admitir a alguien

## Votes that are not counted
held-title = Votos sin contar: historia { $number } de { $total }
held-votes = { $n ->
    [one] un voto
   *[other] { $n } votos
} sin contar: { $young ->
    [one] una cuenta nueva
   *[other] { $young } cuentas nuevas
}, { $burst } en una ráfaga
held-about = No están en ningún recuento ni clasificación hasta que los dejes contar; lo que dejes contar sigue contando.
held-nothing = Aquí no hay votos retenidos.

## Rondas: historias por turnos
round-title = Una historia por turnos
round-members-turn = Línea { $n } de { $most } como mucho. { $author ->
    [none] Cualquiera puede seguir.
   *[other] { $author } escribió la última; ahora pueden seguir los demás.
}
round-models-turn = Estoy escribiendo la línea siguiente …
round-line = ¿Qué pasa después?
round-first-line = Cómo empieza; yo sigo
round-whole = La historia hasta ahora

## Botones
button-enter = Escribir un número
button-edit-list = Editar la lista
button-history = Quién cambió qué
button-own-opening = Mi propio comienzo
button-no-opening = Sorpréndeme
button-line = Añadir una línea
button-whole = Desde el principio
button-end = Fin
button-share = Compartir
button-report = Denunciar
button-delete-yes = Sí, borrarla
button-keep = Conservar
button-delete = Borrar
button-held = Votos sin contar
button-release = Dejar que cuenten
button-block = Bloquear a quien la pidió
button-blocked = Miembros bloqueados
button-back = Volver
button-newer = Más recientes
button-older = Más antiguas
button-continue = Continuar
button-retry = Otra versión
button-cancel = Cancelar
button-link = Sí, soy yo
button-forget = Sí, olvídame
