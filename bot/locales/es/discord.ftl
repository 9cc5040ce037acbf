discord-option-genre = Qué tipo de historia
discord-option-prompt = Cómo empieza; si no lo dices, empiezo yo
discord-option-line = Cómo empieza; si lo omites, empiezo yo
discord-option-title = Un título
discord-option-length = Qué longitud; mediana si no dices otra
discord-option-id = El número de la historia
discord-option-cancel-id = El número de la historia; la última tuya si no dices otra
discord-option-code = El código que te di en otra plataforma; si no lo pones, te doy uno
discord-option-period = Desde cuándo; de siempre si no dices otra cosa
discord-option-vote = A favor, en contra o retirar tu voto
discord-option-where = Aquí, o en todas las comunidades que comparten las suyas
discord-option-user = De quién; tuyas si no dices otra cosa

discord-menu-continue = Continuar como historia

discord-commands-changed = Mis órdenes acaban de cambiar. Recarga Discord (Ctrl+R) y prueba de nuevo dentro de un minuto.
discord-read-later = Esto tarda más de lo que Discord me deja escribir aquí. Léela más tarde con /read { $id }.
discord-channels = Pídemelo allí: { $channels }

permission-view_channel = «Ver canales»
permission-send_messages = «Enviar mensajes»
permission-send_messages_in_threads = «Enviar mensajes en hilos»
permission-embed_links = «Insertar enlaces»
permission-attach_files = «Adjuntar archivos»
