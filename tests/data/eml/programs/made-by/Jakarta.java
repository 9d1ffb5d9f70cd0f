// Jakarta Mail in the mode of the first argument, to the sink at $PORT.

import jakarta.activation.DataHandler;
import jakarta.activation.FileDataSource;
import jakarta.mail.Message.RecipientType;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeBodyPart;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeMultipart;
import java.util.Date;
import java.util.Properties;

public class Jakarta {
    static Session session;

    static MimeMessage letter() throws Exception {
        MimeMessage message = new MimeMessage(session);
        message.setFrom(new InternetAddress("scanner@contoso.example", "Sc\u00e4nner", "utf-8"));
        message.setRecipient(RecipientType.TO, new InternetAddress("alice@contoso.example", "Alice"));
        message.setSubject("Gr\u00fc\u00dfe \u6383\u63cf", "utf-8");
        message.setText("Gr\u00fc\u00dfe \u6383\u63cf\n.\n.hidden\n", "utf-8");
        message.setSentDate(new Date());
        return message;
    }

    static MimeBodyPart text(String text, String subtype) throws Exception {
        MimeBodyPart part = new MimeBodyPart();
        part.setText(text, "utf-8", subtype);
        return part;
    }

    static MimeBodyPart file(String disposition) throws Exception {
        MimeBodyPart part = new MimeBodyPart();
        part.setDataHandler(new DataHandler(new FileDataSource("scan.png")));
        part.setFileName("\u6383\u63cf 1.png");
        part.setDisposition(disposition);
        part.setContentID("<scan>");
        return part;
    }

    static MimeMultipart parts(String subtype, MimeBodyPart... parts) throws Exception {
        MimeMultipart multipart = new MimeMultipart(subtype);
        for (MimeBodyPart part : parts) {
            multipart.addBodyPart(part);
        }
        return multipart;
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("mail.smtp.host", "localhost");
        properties.put("mail.smtp.port", System.getenv("PORT"));
        properties.put("mail.smtp.allow8bitmime", "true");
        properties.put("mail.from", "scanner@contoso.example");
        session = Session.getInstance(properties);
        MimeMessage message = letter();
        switch (arguments[0]) {
            case "alternative" -> message.setContent(parts("alternative", text("page 1", "plain"), text("<p>1</p>", "html")));
            case "attachment" -> message.setContent(parts("mixed", text("Gr\u00fc\u00dfe\n", "plain"), file("attachment")));
            case "iso-2022-jp" -> {
                message.setSubject("\u30b9\u30ad\u30e3\u30f3", "iso-2022-jp");
                message.setText("\u30b9\u30ad\u30e3\u30f3\n", "iso-2022-jp");
                message.setHeader("Content-Transfer-Encoding", "7bit");
            }
            case "related" -> message.setContent(parts("related", text("<img src=\"cid:scan\">", "html"), file("inline")));
            case "forwarded" -> {
                MimeBodyPart part = new MimeBodyPart();
                part.setContent(letter(), "message/rfc822");
                message.setContent(parts("mixed", text("see below", "plain"), part));
            }
            case "several" -> {
                for (int number = 0; number < 30; number++) {
                    message.addRecipients(RecipientType.TO, "person" + number + "@contoso.example");
                }
                message.addRecipients(RecipientType.CC, "bob@contoso.example");
                message.addRecipients(RecipientType.BCC, "dave@contoso.example");
            }
            case "report" -> {
                MimeBodyPart status = new MimeBodyPart();
                status.setText("Reporting-MTA: dns; app1.contoso.example\r\n\r\nAction: failed\r\n");
                status.setHeader("Content-Type", "message/delivery-status");
                message.setContent(parts("report; report-type=delivery-status", text("not sent", "plain"), status));
            }
            default -> { }
        }
        Transport.send(message);
    }
}
