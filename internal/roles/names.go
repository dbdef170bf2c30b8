package roles

import "github.com/postroom-go/postroom/mailbox"

// wellKnown are the names, in lower case with bars between, that mail programs
// and servers give their folders, the commonest first: English, then the
// translations that Outlook, Thunderbird, Apple Mail, Gmail and webmails ship.
// Only exact names count: a folder "Sent to Bob" is nobody's Sent. A name that
// means two roles in different languages is left out.
var wellKnown = map[mailbox.Role]string{
	mailbox.RoleSent: "sent|sent items|sent messages|sent mail|sent-mail|sentmail|outgoing" +
		"|gesendet|gesendete elemente|gesendete objekte|gesendete nachrichten|gesendete e-mails|postausgang gesendet" +
		"|envoyés|éléments envoyés|messages envoyés|envoyé|courrier envoyé" +
		"|enviados|elementos enviados|mensajes enviados|correo enviado|enviado" +
		"|itens enviados|mensagens enviadas|enviadas|e-mails enviados|correio enviado" +
		"|inviata|posta inviata|messaggi inviati|elementi inviati|inviati" +
		"|verzonden|verzonden items|verzonden berichten|verzonden objecten" +
		"|skickat|skickade objekt|skickade meddelanden|skickade" +
		"|sendt|sendte elementer|sendte meldinger|sendte e-mail|sendt post|sendte beskeder|send post|sendte" +
		"|lähetetyt|lähetetyt viestit|lähetetyt kohteet" +
		"|wysłane|elementy wysłane|wysłane elementy|wiadomości wysłane" +
		"|odeslané|odeslaná pošta|odeslané zprávy|odeslané položky" +
		"|odoslané|odoslaná pošta|odoslané správy|odoslané položky" +
		"|elküldött|elküldött elemek|elküldött levelek|elküldött üzenetek" +
		"|trimise|mesaje trimise|elemente trimise|poslano|poslana pošta|poslane poruke|poslane stavke|poslato|послато" +
		"|изпратени|изпратена поща" +
		"|отправленные|отправленные письма|отправленные элементы|исходящие отправленные" +
		"|надіслані|надіслані елементи|відправлені|адпраўленыя" +
		"|απεσταλμένα|σταλμένα|gönderilmiş öğeler|gönderilenler|gönderilmiş postalar|gönderilen|gönderilmiş" +
		"|العناصر المرسلة|المرسل|البريد المرسل|פריטים שנשלחו|דואר שנשלח|דואר יוצא" +
		"|已发送|已发送邮件|已傳送|寄件備份|寄件匣備份|已寄出|已发邮件|已傳送的郵件|送信済み|送信済みアイテム|送信済みメール|送信済みメッセージ" +
		"|보낸 편지함|보낸편지함|보낸 메일함|보낸메일함|đã gửi|thư đã gửi|mục đã gửi|terkirim|pesan terkirim|item terkirim" +
		"|ส่งแล้ว|จดหมายที่ส่ง|รายการที่ถูกส่ง|ارسال شده|saadetud|saadetud kirjad|nosūtītie|nosūtītās vienības|išsiųsti|išsiųsta|išsiųsti laiškai" +
		"|enviats|elements enviats|missatges enviats|bidalitakoak|send messages|anfonwyd",
	mailbox.RoleDrafts: "drafts|draft" +
		"|entwürfe|entwurf|brouillons|brouillon|borradores|borrador|rascunhos|rascunho|bozze|bozza|concepten|concept" +
		"|utkast|kladder|kladde|luonnokset|szkice|robocze|kopie robocze|wersje robocze|koncepty|rozepsané|rozpísané" +
		"|piszkozatok|piszkozat|ciorne|schițe|osnutki|skice|nacrti|чернови|черновики|чернетки|чарнавікі" +
		"|πρόχειρα|πρόχειρο|taslaklar|taslak|المسودات|مسودات|טיוטות|草稿|草稿箱|草稿匣|草稿夾|下書き|임시 보관함|임시보관함|임시 보관" +
		"|thư nháp|bản nháp|nháp|draf|konsep|ฉบับร่าง|จดหมายร่าง|پیش\u200cنویس\u200cها|mustandid|melnraksti|juodraščiai|esborranys|zirriborroak|drafftiau",
	mailbox.RoleTrash: "trash|deleted items|deleted messages|deleted|bin|trash bin|recycle bin|wastebasket" +
		"|papierkorb|gelöschte elemente|gelöschte objekte|gelöscht|gelöschte nachrichten" +
		"|corbeille|éléments supprimés|messages supprimés|supprimés|poubelle" +
		"|papelera|elementos eliminados|eliminados|papelera de reciclaje|mensajes eliminados|elementos borrados" +
		"|lixeira|lixo eletrônico excluído|itens excluídos|itens eliminados|mensagens apagadas|mensagens excluídas|reciclagem|papelera de reciclatge" +
		"|cestino|posta eliminata|elementi eliminati|messaggi eliminati" +
		"|prullenbak|verwijderde items|verwijderd|verwijderde berichten|prullenmand" +
		"|papperskorgen|borttaget|borttagna objekt|papperskorg|raderade meddelanden" +
		"|papirkurv|slettede elementer|papirkurven|slettet post|slettede meldinger|slettede|søppel|slettet" +
		"|roskakori|poistetut|poistetut viestit|kosz|elementy usunięte|usunięte elementy|usunięte" +
		"|koš|odstraněná pošta|odstraněné položky|odstraněné|smazané|kôš|odstránené položky|odstránená pošta" +
		"|kuka|lomtár|törölt elemek|törölt|coș de gunoi|coş de gunoi|gunoi|elemente șterse|elemente şterse|șterse" +
		"|smeti|koš za smeće|smeće|izbrisano|obrisane poruke|izbrisane stavke|отпад|кошче|изтрити" +
		"|корзина|удаленные|удалённые|удаленные элементы|кошик|видалені|видалені елементи|сметніца" +
		"|κάδος απορριμμάτων|απορρίμματα|διαγραμμένα|çöp kutusu|silinmiş öğeler|çöp|silinenler|silinmiş" +
		"|سلة المهملات|العناصر المحذوفة|المهملات|אשפה|פריטים שנמחקו|פח אשפה" +
		"|已删除|已删除邮件|垃圾箱|废纸篓|回收站|已刪除|垃圾桶|刪除的郵件|刪除的項目|ごみ箱|ゴミ箱|削除済みアイテム|削除済みメール" +
		"|휴지통|지운 편지함|지운편지함|thùng rác|đã xóa|mục đã xóa|sampah|item dihapus|tong sampah|ถังขยะ|รายการที่ถูกลบ|سطل زباله|زباله\u200cدان" +
		"|prügikast|kustutatud kirjad|miskaste|atkritne|šiukšliadėžė|šiukšlinė|paperera|elements suprimits|zakarrontzia|sbwriel",
	mailbox.RoleJunk: "junk|spam|junk e-mail|junk email|junk mail|bulk mail|bulk|spambox|junk-e-mail" +
		"|werbung|unerwünscht|junk-e-mails|spamverdacht|unbekannt spam" +
		"|indésirables|courrier indésirable|pourriel|pourriels" +
		"|correo no deseado|correo basura|no deseado|no deseados" +
		"|lixo eletrônico|lixo eletrónico|lixo electrónico|correio eletrónico não solicitado" +
		"|posta indesiderata|indesiderata|ongewenste e-mail|ongewenste mail|ongewenst|reclame" +
		"|skräppost|skräp|søppelpost|uønsket e-post|uønsket mail|uønsket e-mail|useriøs e-mail|uønsket post" +
		"|roskaposti|wiadomości-śmieci|niechciane|wiadomości śmieci|nevyžádaná pošta|nevyžádané|nevyžiadaná pošta|nevyžiadané" +
		"|levélszemét|kéretlen|mesaje nedorite|neželena pošta|vsiljena pošta|neželjena pošta|neželjeno|нежелана пошта|нежелана поща|спам" +
		"|нежелательная почта|небажана пошта|ανεπιθύμητα|ανεπιθύμητη αλληλογραφία|gereksiz|istenmeyen|gereksiz e-posta|önemsiz e-posta|önemsiz" +
		"|بريد غير هام|البريد الإلكتروني غير الهام|بريد مزعج|דואר זבל|זבל|ספאם" +
		"|垃圾邮件|垃圾邮件箱|垃圾郵件|广告邮件|迷惑メール|スパム|스팸|스팸메일함|스팸 메일함|정크 메일|정크메일함|thư rác|email sampah|spam mail|อีเมลขยะ|สแปม|هرزنامه" +
		"|rämpspost|mēstules|nepageidaujami|brukalas|correu brossa|zabor-posta",
	mailbox.RoleArchive: "archive|archives|archived|archiv|archivo|archivos|arquivo|arquivos|arquivo morto|archivio|archief|arkiv|arkisto|archiwum" +
		"|archivă|archív|archívum|arhiv|arhiva|arhivă|архив|архива|архів|αρχείο|αρχειοθήκη|arşiv|أرشيف|الأرشيف|ארכיון|存档|归档|封存|アーカイブ|보관|보관함" +
		"|lưu trữ|arsip|ที่เก็บถาวร|بایگانی|arhiiv|arhīvs|archyvas|archyvai|arxiu|artxiboa",
	mailbox.RoleAll: "all mail|alle nachrichten|tous les messages|todos|todos los mensajes|todos os e-mails|tutti i messaggi|alle berichten" +
		"|alle e-mails|all e-post|alla mail|wszystkie|вся почта|すべてのメール|所有邮件|所有郵件|全部邮件|전체보관함|tüm postalar",
	mailbox.RoleFlagged: "starred|flagged|markiert|suivis|destacados|com estrela|speciali|met ster|oznaczone gwiazdką|помеченные|スター付き|已加星标|已加星號|별표편지함",
}
