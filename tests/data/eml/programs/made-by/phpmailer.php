<?php
// PHPMailer in the mode of the first argument; to the sink at $PORT, or by $SENDMAIL.
require '/usr/share/php/libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) getenv('PORT');
$mail->CharSet = PHPMailer::CHARSET_UTF8;
$mail->setFrom('scanner@contoso.example', 'Scänner');
$mail->addAddress('alice@contoso.example', 'Alice, 2nd floor');
$mail->Subject = 'Grüße 掃描';
$mail->Body = "Grüße 掃描\n.\n.hidden\n";
$html = fn() => [$mail->isHTML(true), $mail->Body = '<p>Grüße</p>', $mail->AltBody = 'Grüße'];
match ($argv[1]) {
    'plain' => [$mail->CharSet = 'iso-8859-1', $mail->Subject = 'scan', $mail->Body = "page 1\n.\n",
        $mail->setFrom('scanner@contoso.example')],
    'html' => $html(),
    'attachments' => [$mail->addAttachment('scan.png', '掃描.png'), $mail->addStringAttachment("a,b\n1,2\n", 'table.csv', '8bit')],
    'embedded' => [$html(), $mail->addEmbeddedImage('scan.png', 'scan'), $mail->Body = '<img src="cid:scan">'],
    'calendar' => [$html(), $mail->Ical = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"],
    'latin1' => [$mail->CharSet = 'iso-8859-1', $mail->Subject = "Gr\xfc\xdfe", $mail->Body = "Gr\xfc\xdfe\n",
        $mail->FromName = "Sc\xe4nner"],
    'base64' => $mail->Encoding = 'base64',
    '8bit' => $mail->Encoding = '8bit',
    'wrapped' => [$mail->WordWrap = 40, $mail->Body = str_repeat('long line of Grüße ', 100)],
    'sendmail' => [$mail->isSendmail(), $mail->Sendmail = getenv('SENDMAIL')],
    'several' => [$mail->addAddress('bob@contoso.example'), $mail->addCC('carol@contoso.example', 'Çarol'),
        $mail->addBCC('dave@contoso.example'), $mail->addReplyTo('erp@contoso.example')],
    'priority' => [$mail->Priority = 1, $mail->XMailer = 'shop', $mail->addCustomHeader('List-Unsubscribe', '<https://contoso.example/u>'),
        $mail->ConfirmReadingTo = 'scanner@contoso.example'],
    'smime' => $mail->sign('cert.pem', 'key.pem', ''),
    'dkim' => [$mail->DKIM_domain = 'contoso.example', $mail->DKIM_private = 'key.pem', $mail->DKIM_selector = 'k',
        $mail->DKIM_identity = $mail->From, $mail->DKIM_copyHeaderFields = false],
};
$mail->send();
