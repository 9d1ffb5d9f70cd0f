#!/bin/sh
# Programs that we did not write: judges of the doors (curl, swaks, msmtp, Postfix with its smtp-source, testssl.sh, those
# that call sendmail, Chromium), of signatures (OpenSSL, GnuPG, dkimpy), and of the order of fsync and 250 (strace). With BIG=1 also
# PHPMailer and Jakarta Mail, for `make test-clients-big`.
set -eu
if [ "$(id -u)" != 0 ]; then
    echo "make test-tools installs packages by apt: run it as root" >&2
    exit 1
fi
PATH="$PATH:/usr/sbin:/sbin"
# need PROGRAM-OR-FILE PACKAGE...: the packages are wanted where the program or the file is missing.
wanted=""
need() {
    found=$1
    shift
    if [ ! -e "$found" ] && ! command -v "$found" >/dev/null 2>&1; then
        wanted="$wanted $*"
    fi
}
# module PERL-MODULE PACKAGE: what a program only recommends, and our tests of it need.
module() {
    perl -M"$1" -e 1 2>/dev/null || wanted="$wanted $2"
}
need curl curl
need swaks swaks
module Net::SSLeay libnet-ssleay-perl
need msmtp msmtp
need strace strace
need testssl testssl.sh
# The modules are for Postfix as a client: without them it knows neither PLAIN nor LOGIN.
need smtp-source postfix libsasl2-modules
need "$(dpkg-query -L libsasl2-modules 2>/dev/null | grep -m 1 '/libplain\.so' || echo missing)" libsasl2-modules
# Judges of signed mail.
need openssl openssl
need gpg gnupg
need dkimsign python3-dkim
# Programs that hand in mail through sendmail.
need php php-cli
need git git
need /usr/lib/git-core/git-send-email git-email
module Mail::Address libmailtools-perl
need s-nail s-nail
need bsd-mailx bsd-mailx
# For `make bench`: the logins of the Postfix beside us.
need saslpasswd2 sasl2-bin libsasl2-modules-db
# The browser that looks at the console, and letters for all its languages.
need chromium chromium
need /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc fonts-noto-cjk
if [ "${BIG:-}" = 1 ]; then
    need /usr/share/php/libphp-phpmailer/autoload.php libphp-phpmailer
    need javac default-jdk-headless
    need /usr/share/java/jakarta-mail.jar libjakarta-mail-java
fi
[ -z "$wanted" ] && exit 0

# Postfix gets no configuration and is not started: the tests start instances of their own, in scratch folders.
no_service=/usr/sbin/policy-rc.d
made=""
if [ ! -e "$no_service" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$no_service"
    chmod 755 "$no_service"
    made=$no_service
fi
trap '[ -z "$made" ] || rm -f "$made"' EXIT
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 - a list of names
apt-get install -y -qq --no-install-recommends $wanted
