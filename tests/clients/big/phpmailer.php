<?php
// PHPMailer hands in mails at our door. Reads the facts from stdin, prints one JSON line per check.

require '/usr/share/php/libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

$facts = json_decode(stream_get_contents(STDIN), true);

function mailer(array $facts, string $secure, string $auth): PHPMailer
{
    $mail = new PHPMailer(true);
    $mail->isSMTP();
    $mail->Host = 'localhost';
    $mail->Port = $facts[$secure === PHPMailer::ENCRYPTION_SMTPS ? 'smtps' : 'smtp'];
    $mail->Timeout = 30;
    $mail->SMTPSecure = $secure;
    $mail->SMTPAuth = true;
    $mail->AuthType = $auth;
    $mail->Username = 'device';
    $mail->Password = $facts['password'];
    $mail->SMTPOptions = ['ssl' => ['cafile' => $facts['ca_file'], 'peer_name' => 'localhost']];
    $mail->CharSet = PHPMailer::CHARSET_UTF8;
    $mail->setFrom('scanner@contoso.example', 'Scänner');
    $mail->addAddress('alice@contoso.example');
    $mail->Subject = '掃描';
    $mail->Body = "page 1\n.\n.hidden\n";
    return $mail;
}

function report(string $check, $result): void
{
    echo json_encode(['check' => $check, 'result' => $result]), "\n";
}

foreach (['starttls' => PHPMailer::ENCRYPTION_STARTTLS, 'implicit' => PHPMailer::ENCRYPTION_SMTPS] as $name => $secure) {
    foreach (['PLAIN', 'LOGIN'] as $auth) {
        report("$name $auth", mailer($facts, $secure, $auth)->send());
    }
}

$kept = mailer($facts, PHPMailer::ENCRYPTION_STARTTLS, 'PLAIN');
$kept->SMTPKeepAlive = true;
for ($number = 0; $number < 20; $number++) {
    $kept->Subject = "kept $number";
    $kept->send();
}
$kept->smtpClose();
report('kept', 20);

$large = mailer($facts, PHPMailer::ENCRYPTION_STARTTLS, 'PLAIN');
$large->addStringAttachment(str_repeat("0123456789\n", 1000000), 'scan.bin');
$large->isHTML(true);
$large->Body = '<p>scan</p>';
$large->AltBody = 'scan';
report('large', $large->send());

$wrong = mailer($facts, PHPMailer::ENCRYPTION_STARTTLS, 'PLAIN');
$wrong->Password = 'another password';
try {
    $wrong->send();
    report('wrong password', 'sent');
} catch (\PHPMailer\PHPMailer\Exception $error) {
    report('wrong password', 'refused');
}
