#!/bin/sh
# Make the mails anew, as root: programs that put the host's name into a mail find app1.contoso.example there.
set -eu
cd "$(dirname "$0")"
exec unshare --uts --mount sh -c '
    names=$(mktemp -d)
    hostname app1.contoso.example
    echo "127.0.0.1 app1.contoso.example app1 localhost" >"$names/hosts"
    mount --bind "$names/hosts" /etc/hosts
    [ ! -e /etc/mailname ] || { hostname >"$names/mailname"; mount --bind "$names/mailname" /etc/mailname; }
    printf "#!/bin/sh\nexec \$SENDMAIL\n" >"$names/sendmail"   # bsd-mailx calls this one alone
    chmod 755 "$names/sendmail"
    [ -e /usr/sbin/sendmail ] && mount --bind "$names/sendmail" /usr/sbin/sendmail
    exec python3 make.py "$@"' make "$@"
