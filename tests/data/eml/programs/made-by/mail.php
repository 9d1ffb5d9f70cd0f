<?php
// PHP's mail() in the mode of the first argument.
$to = 'alice@contoso.example';
$text = "Grüße 掃描\n.\n.hidden\n";
$from = "From: =?UTF-8?B?" . base64_encode('Scänner') . "?= <scanner@contoso.example>";
match ($argv[1]) {
    'plain' => mail($to, 'scan', $text, 'From: scanner@contoso.example'),
    'headers' => mail($to, 'scan', "page 1\r\npage 2\r\n", "$from\r\nCc: bob@contoso.example\r\nX-Mailer: PHP/" . PHP_VERSION),
    'html' => mail("Alice <$to>", '=?UTF-8?B?' . base64_encode('掃描') . '?=', chunk_split(base64_encode("<p>$text</p>")),
        "$from\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: base64"),
    'array' => mail($to, 'scan', $text, ['From' => 'scanner@contoso.example', 'X-Scan' => ['1', '2'],
        'Content-Type' => 'text/plain; charset=utf-8']),
    'x-header' => (function () use ($to, $text) {
        ini_set('mail.mixed_lf_and_crlf', '1');
        return mail($to, 'scan', $text, "From: scanner@contoso.example\nReply-To: bob@contoso.example", '-fscanner@contoso.example');
    })(),
};
