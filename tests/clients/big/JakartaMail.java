// Jakarta Mail hands in mails at our door. Its arguments: port, port of implicit TLS, trust store, password.
// Prints one JSON line per check.

import jakarta.mail.AuthenticationFailedException;
import jakarta.mail.Message;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeBodyPart;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeMultipart;
import java.util.Properties;

public class JakartaMail {
    static String[] facts;

    static Session session(boolean implicit, String mechanism) {
        Properties properties = new Properties();
        String protocol = implicit ? "smtps" : "smtp";
        properties.put("mail.transport.protocol", protocol);
        properties.put("mail." + protocol + ".host", "localhost");
        properties.put("mail." + protocol + ".port", implicit ? facts[1] : facts[0]);
        properties.put("mail." + protocol + ".auth", "true");
        properties.put("mail." + protocol + ".auth.mechanisms", mechanism);
        properties.put("mail." + protocol + ".starttls.required", implicit ? "false" : "true");
        properties.put("mail." + protocol + ".starttls.enable", implicit ? "false" : "true");
        properties.put("mail." + protocol + ".ssl.checkserveridentity", "true");
        properties.put("mail." + protocol + ".dsn.notify", "FAILURE,DELAY");
        properties.put("mail." + protocol + ".dsn.ret", "HDRS");
        properties.put("mail." + protocol + ".timeout", "30000");
        return Session.getInstance(properties);
    }

    static MimeMessage letter(Session session, String subject) throws Exception {
        MimeMessage message = new MimeMessage(session);
        message.setFrom(new InternetAddress("scanner@contoso.example", "Sc\u00e4nner", "utf-8"));
        message.setRecipients(Message.RecipientType.TO, "alice@contoso.example");
        message.setSubject(subject, "utf-8");
        message.setText("page 1\r\n.\r\n.hidden\r\n", "utf-8");
        return message;
    }

    static Transport connect(boolean implicit, String mechanism, String password) throws Exception {
        Transport transport = session(implicit, mechanism).getTransport();
        transport.connect("device", password);
        return transport;
    }

    static void report(String check, String result) {
        System.out.println("{\"check\": \"" + check + "\", \"result\": " + result + "}");
    }

    public static void main(String[] arguments) throws Exception {
        facts = arguments;
        System.setProperty("javax.net.ssl.trustStore", facts[2]);
        System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
        for (boolean implicit : new boolean[] {false, true}) {
            for (String mechanism : new String[] {"PLAIN", "LOGIN"}) {
                try (Transport transport = connect(implicit, mechanism, facts[3])) {
                    MimeMessage message = letter(session(implicit, mechanism), "\u6383\u63cf");
                    transport.sendMessage(message, message.getAllRecipients());
                    report((implicit ? "implicit " : "starttls ") + mechanism, "true");
                }
            }
        }
        try (Transport transport = connect(false, "PLAIN", facts[3])) {
            for (int number = 0; number < 20; number++) {
                MimeMessage message = letter(session(false, "PLAIN"), "kept " + number);
                transport.sendMessage(message, message.getAllRecipients());
            }
            report("kept", "20");
            MimeMessage large = letter(session(false, "PLAIN"), "large");
            MimeBodyPart scan = new MimeBodyPart();
            scan.setContent(new byte[11000000], "application/octet-stream");
            scan.setFileName("scan.bin");
            large.setContent(new MimeMultipart(scan));
            transport.sendMessage(large, large.getAllRecipients());
            report("large", "true");
        }
        try {
            connect(false, "PLAIN", "another password").close();
            report("wrong password", "\"sent\"");
        } catch (AuthenticationFailedException error) {
            report("wrong password", "\"refused\"");
        }
    }
}
