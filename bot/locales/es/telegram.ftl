# Lo que solo dice Telegram.
telegram-in-private = Pregúntamelo en nuestro chat privado, por favor: lo que guardo de ti es solo para tus ojos.
telegram-not-your-button = Eso solo lo puede pulsar quien preguntó.
telegram-old-button = Ese botón es de otro tiempo. Vuelve a pedírmelo, por favor.
telegram-for-example = Por ejemplo:
telegram-in-groups = Pídemelo en el grupo del que se trata, por favor.
telegram-settings-in-private = Los ajustes de este grupo están en nuestro chat privado.
telegram-button-open = Abrir
telegram-reply-number = Responde a este mensaje con un número entero del { $least } al { $most }.
telegram-reply-words = Responde a este mensaje con palabras para añadir, una por línea; una línea entre barras, como /colou?r/, es un patrón. Pon un menos delante de una línea para quitarla de la lista.
telegram-moderate-in-private = Las historias denunciadas esperan en nuestro chat privado, donde nadie más lee.
telegram-button-say-why = Decir por qué
telegram-reply-reason = Responde a este mensaje y di qué tiene de malo.
telegram-reply-opening = Responde a este mensaje con el comienzo, de hasta { $most } caracteres. Un título va delante, entre comillas.
telegram-button-to-group = Al grupo
telegram-about-short = Historias breves de cine en el género que elijas. Votáis; las mejores suben.
telegram-button-another = Otra historia
telegram-button-begin = Empezar
