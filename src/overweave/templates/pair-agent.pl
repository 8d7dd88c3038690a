# One end of a measurement between hosts: holds ports, probes its peers, and tells what went and what came.
# Goes behind agent-base.pl.
#
# Arguments: this text, role (host, or vxlan inside a network namespace), the run's token (16 hex digits),
# own number, own address, VNI, MTU of the underlay, VXLAN's port (UDP), seconds after which it ends by itself.
# Input, a line each; its end ends the program:
#   peer NUMBER ADDRESS    hold PROTOCOL PORT ADDRESS    prepare
#   probe PROTOCOL PORT NUMBER echo|connect|gossip       go       end
# Output, each line behind token and role:
#   held PROTOCOL PORT ADDRESS    taken PROTOCOL PORT ADDRESS ERRNO PROCESS PID    failed WHY    ready
#   probed PROTOCOL PORT NUMBER ok|silent|mute|ERRNO    echo NUMBER SENT ANSWERED MILLISECONDS ERRNO    done
#   came PROTOCOL PORT NUMBER    seen NUMBER COUNT LARGEST    bye
my ($program, $role, $token, $me, $address, $vni, $mtu, $vxlan, $seconds) = @ARGV;
alarm $seconds;
my $full = $role eq 'vxlan' ? $mtu - 50 : $mtu;    # bytes of the largest packet that has to pass
my (%peer, @hold, @probe, %came, %seen, %echo, $icmp, $inner, $started);
my @ladder = grep { $_ <= $full } ($full, 8951, 8901, 8500, 4352, 2304, 1550, 1500, 1492, 1484, 1480,
    1476, 1472, 1468, 1464, 1460, 1454, 1450, 1446, 1442, 1438, 1434, 1430, 1426, 1422, 1420, 1418, 1414,
    1412, 1410, 1406, 1402, 1400, 1398, 1396, 1392, 1390, 1384, 1380, 1372, 1370, 1360, 1350, 1342, 1330,
    1320, 1310, 1300, 1280, 1250, 1230, 1200, 1100, 1000, 576);
my ($small, $more, $again) = (10, 20, 0.3);        # echoes at first, echoes more on loss, seconds until then

sub report { syswrite STDOUT, join(' ', $token, @_) . "\n" }

# --- ports that peers are to reach here

my $sockets;

sub owner {                                        # process and pid that hold a port
    my ($protocol, $port, $at) = @_;
    $sockets //= qx(ss -lntup 2>/dev/null);
    for (split /\n/, $sockets) {
        my ($kind, undef, undef, undef, $local) = split ' ';
        next unless ($kind // '') eq $protocol and ($local // '') =~ /^(.*):$port$/;
        my $on = $1;
        $on =~ s/^\[?(?:::ffff:)?|%.*|\]?$//g;
        next unless $on eq $at or $on =~ /^(?:\*|0\.0\.0\.0|::|)$/;
        my ($process, $pid) = /users:\(\("([^"]*)",pid=(\d+)/ or return ('-', 0);
        $process =~ tr/A-Za-z0-9._-/?/c;
        return ($process || '-', $pid);
    }
    return ('-', 0);
}

sub hold {
    my ($protocol, $port, $at) = @_;
    my $tcp = $protocol eq 'tcp';
    socket my $s, AF_INET, $tcp ? SOCK_STREAM : SOCK_DGRAM, 0;
    setsockopt $s, SOL_SOCKET, SO_REUSEADDR, 1 if $tcp;
    unless (bind($s, pack_sockaddr_in($port, inet_aton($at))) and (!$tcp or listen $s, SOMAXCONN)) {
        my $errno = $! + 0;
        return report('host', 'taken', $protocol, $port, $at, name($errno), owner($protocol, $port, $at));
    }
    nonblocking($s);
    $read{ fileno $s } = $tcp ? sub { serve($s, $port) } : sub {
        while (defined(my $from = recv $s, my $data, 2048, 0)) {
            next unless $data =~ /^$token (\d+)$/;
            $came{"udp $port $1"} = 1;
            send $s, $data, 0, $from;
        }
    };
    report('host', 'held', $protocol, $port, $at);
}

sub serve {
    my ($listener, $port) = @_;
    while (accept my $c, $listener) {
        nonblocking($c);
        $read{ fileno $c } = sub {
            my $got = sysread $c, my $data, 2048;
            return forget($c) unless $got;
            next unless $data =~ /^$token (\d+)$/;
            $came{"tcp $port $1"} = 1;
            syswrite $c, $data;
        };
    }
}

# --- probes of peers' ports

sub finish {
    my ($p, $how) = @_;
    return if $p->{done}++;
    forget($p->{socket}) if $p->{socket};
    report('host', 'probed', $p->{protocol}, $p->{port}, $p->{to}, $how);
}

sub probe {
    my $p = shift;
    my $tcp = $p->{protocol} eq 'tcp';
    socket my $s, AF_INET, $tcp ? SOCK_STREAM : SOCK_DGRAM, 0;
    nonblocking($s);
    $p->{socket} = $s;
    # The engines' gossip comes from the address they advertise; their connections go as the route says.
    bind $s, pack_sockaddr_in(0, inet_aton($address)) unless $tcp;
    unless (connect($s, pack_sockaddr_in($p->{port}, inet_aton($peer{ $p->{to} }))) or $!{EINPROGRESS}) {
        return finish($p, name($! + 0));
    }
    my $said = "$token $me";
    unless ($tcp) {
        # A memberlist ping, of no node by name: an engine or a Consul answers it and logs nothing.
        $said = "\0\x82\xa5SeqNo\x01\xa4Node\xa0" if $p->{mode} eq 'gossip';
        $p->{send} = sub { defined send $s, $said, 0 or $p->{error} = name($! + 0) };
        $read{ fileno $s } = sub {
            my $got = recv $s, my $data, 2048, 0;
            return finish($p, 'ok') if defined $got and ($p->{mode} eq 'gossip' or $data eq $said);
            $p->{error} = name($! + 0) unless defined $got or $!{EAGAIN} or $!{EINTR};
        };
        return $p->{send}->();
    }
    $write{ fileno $s } = sub {
        delete $write{ fileno $s };
        my $errno = unpack 'i', getsockopt $s, SOL_SOCKET, SO_ERROR;
        return finish($p, name($errno)) if $errno;
        return finish($p, 'ok') if $p->{mode} ne 'echo';
        $p->{error} = 'mute';
        syswrite $s, $said;
        $read{ fileno $s } = sub {
            my $got = sysread $s, my $data, 2048;
            return if !defined $got and ($!{EAGAIN} or $!{EINTR});
            finish($p, !defined $got ? name($! + 0) : $data eq $said ? 'ok' : 'mute');
        };
    };
}

# --- echo requests: round trip, loss, and the largest packet that passes uncut

sub open_icmp {
    socket $icmp, AF_INET, SOCK_RAW, 1 or return 0;
    bind $icmp, pack_sockaddr_in(0, inet_aton($address)) or return 0 if $role eq 'host';
    setsockopt $icmp, 0, 10, 3;                    # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE: never cut up
    setsockopt $icmp, SOL_SOCKET, SO_RCVBUF, 1 << 20;
    nonblocking($icmp);
    $read{ fileno $icmp } = sub {
        while (defined recv $icmp, my $packet, 65536, 0) {
            my $header = 4 * (ord($packet) & 15);
            my ($type, undef, $token_, $from, $to, $number) = unpack "x$header C C x6 H16 n n n", $packet;
            next unless defined $number and $token_ eq $token;
            if ($type == 8 and $to == $me) {
                my $its = $seen{$from} //= { small => {}, largest => 0 };
                $its->{small}{$number} = 1 if $number < 100;
                $its->{largest} = length $packet if length $packet > $its->{largest};
            }
            elsif ($type == 0 and $from == $me and my $its = $echo{$to}) {
                my $at = delete $its->{at}{$number} // next;
                $number < 100 ? push @{ $its->{trips} }, now() - $at : $number < 200 ? $its->{full} = 1 : 0;
            }
        }
    };
    return 1;
}

sub ping {
    my ($to, $number, $size) = @_;
    my $its  = $echo{$to};
    my $packet = echo_request(pack('n H16 n n n', $number, $token, $me, $to, $number), $size);
    $its->{sent}++ if $number < 100;
    $its->{at}{$number} = now();
    my $where = pack_sockaddr_in(0, inet_aton($role eq 'host' ? $peer{$to} : inside($to)));
    defined send $icmp, $packet, 0, $where or $number >= 100 or $its->{error} = name($! + 0);
}

sub start_echoes {
    return unless $icmp;
    my @peers = keys %peer;
    %echo = map { $_ => { sent => 0, trips => [], at => {}, full => 0, error => '-' } } @peers;
    for my $n (0 .. $small - 1) {
        after($n * 0.008, sub { ping($_, $n, 84) for @peers });
    }
    for my $n (0 .. 2) {
        after(0.004 + $n * 0.08, sub { $echo{$_}{full} or ping($_, 100 + $n, $full) for @peers });
    }
    for my $n (0 .. $more - 1) {
        after($again + $n * 0.012, sub {
            for (@peers) { ping($_, $small + $n, 84) if $n ? $echo{$_}{more} : ($echo{$_}{more} = lossy($_)) }
        });
    }
    for my $try (0, 1) {
        after($again + $try * 0.2, sub {
            for my $to (@peers) {
                next if $echo{$to}{full} or !@{ $echo{$to}{trips} };
                ping($to, 200 + 100 * $try + $_, $ladder[$_]) for 0 .. $#ladder;
            }
        });
    }
}

sub lossy { my $its = $echo{ $_[0] }; @{ $its->{trips} } < $its->{sent} }

sub echoes_done {
    return 1 if !$icmp or now() - $started > 0.9;
    return 0 if now() - $started < $small * 0.008;
    for (keys %peer) { return 0 if !$echo{$_}{full} or lossy($_) }
    return 1;
}

# --- VXLAN: this program again, in a namespace of its own, behind a device whose socket is the host's

sub inside { my $n = $_[0] + 1; sprintf '198.18.%d.%d', $n >> 8, $n & 255 }
sub mac { sprintf '02:6f:76:00:%02x:%02x', $_[0] >> 8, $_[0] & 255 }

sub ran {                                          # "" or why a command failed
    my ($command, @input) = @_;
    my $lines = join "\n", "$command 2>&1 <<'END'", @input, "END\n";
    my $said  = qx($lines);
    return '' unless $?;
    $said =~ s/\s+/ /g;
    $said =~ tr/ -~/?/c;
    return substr($said, 0, 300) || 'status ' . ($? >> 8);
}

# As the engine makes its own: without a source address, without DF, with the socket of the host's namespace.
sub open_vxlan {
    pipe(my $out, $inner) or return 'pipe: ' . name($! + 0);
    my $pid = fork // return 'fork: ' . name($! + 0);
    if (!$pid) {
        open STDIN, '<&', $out;
        { exec 'unshare', '-n', 'perl', '-e', $program, $program, 'vxlan', @ARGV[ 2 .. $#ARGV ] }
        POSIX::_exit(127);
    }
    close $out;
    my ($mine, $until) = (readlink "/proc/self/ns/net", now() + 3);
    while ((readlink("/proc/$pid/ns/net") // $mine) eq $mine) {
        return 'namespace: unshare ended' if waitpid($pid, POSIX::WNOHANG()) > 0;
        return 'namespace: none within 3 s' if now() > $until;
        select undef, undef, undef, 0.002;
    }
    my $why = ran("ip link add ovw0 netns $pid type vxlan id $vni dstport $vxlan nolearning");
    return "device: $why" if $why;
    select((select($inner), $| = 1)[0]);
    print $inner map({"peer $_ $peer{$_}\n"} keys %peer), "prepare\n";
    return '';
}

sub open_inside {
    my @ip = ('link set lo up', 'link set ovw0 address ' . mac($me) . " mtu $full up",
        'addr add ' . inside($me) . '/15 dev ovw0',
        map { 'neigh replace ' . inside($_) . ' lladdr ' . mac($_) . ' dev ovw0 nud permanent' } keys %peer);
    my @rows = map { 'fdb replace ' . mac($_) . " dev ovw0 dst $peer{$_}" } keys %peer;
    my $why = ran('ip -batch -', @ip) || (@rows ? ran('bridge -batch -', @rows) : '');
    return $why ? "up: $why" : open_icmp() ? '' : 'icmp: ' . name($! + 0);
}

# --- what it is told

sub prepare {
    if ($role eq 'vxlan') {
        my $why = open_inside();
        return report('vxlan', $why ? "failed $why" : 'ready');
    }
    my $why = open_vxlan();
    if ($why) { report('vxlan', "failed $why"); close $inner; undef $inner }
    hold(@$_) for @hold;
    open_icmp() or undef $icmp, report('host', 'failed icmp: ' . name($! + 0));
    report('host', 'ready');
}

sub go {
    $started = now();
    start_echoes();
    probe($_) for @probe;
    for my $delay (0.2, 0.5) {
        after($delay, sub { $_->{done} or !$_->{send} or $_->{send}->() for @probe });
    }
    after(1.1, sub { $_->{send} and finish($_, $_->{error} // 'silent') for @probe });
    after(1.6, sub { finish($_, $_->{error} // 'silent') for @probe });
}

sub look_whether_done {
    return if !$started or $started < 0 or grep { !$_->{done} } @probe or !echoes_done();
    $started = -1;
    for my $to (keys %echo) {
        my $its = $echo{$to};
        my @trips = sort { $a <=> $b } @{ $its->{trips} };
        report($role, 'echo', $to, $its->{sent}, scalar @trips,
            @trips ? sprintf('%.3f', 1000 * $trips[0]) : '-', $its->{error});
    }
    report($role, 'done');
}

sub end {
    report($role, 'came', $_) for keys %came;
    report($role, 'seen', $_, scalar keys %{ $seen{$_}{small} }, $seen{$_}{largest}) for keys %seen;
    # Not left to the end of the namespace: that takes its time.
    ran('ip link delete ovw0') if $role eq 'vxlan';
    report($role, 'bye');
}

sub told {
    my ($what, @rest) = @_;
    if    ($what eq 'peer')    { $peer{ $rest[0] } = $rest[1] }
    elsif ($what eq 'hold')    { push @hold, [@rest] }
    elsif ($what eq 'prepare') { prepare() }
    elsif ($what eq 'probe')   {
        my %p;
        @p{qw(protocol port to mode)} = @rest;
        push @probe, \%p;
    }
    elsif ($what eq 'go')  { print $inner "go\n"  if $inner; go() }
    elsif ($what eq 'end') { print $inner "end\n" if $inner; end() }
}

$SIG{PIPE} = 'IGNORE' if $role eq 'host';          # a namespace whose program ended is no reason to end
run(\&told, \&look_whether_done, sub { $started and $started > 0 });
